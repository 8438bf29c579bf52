//! Holds the table of docs/architecture.md: a room imports rooms on lower floors, and on its own
//! floor only those that the table names.
//!
//! [`sources`] walks the modules of src and finds what each names; code that is compiled only for
//! tests may name everything.

pub(super) mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sources::{Source, room_imports, sources_of};

/// A row of the table, for one room.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    floor: u32,
    /// The rooms on its own floor that it may use.
    beside: BTreeSet<String>,
}

type Rooms = BTreeMap<String, Room>;

/// Reads the table whose head is `| floor | room | does | may use on its own floor |`.
fn rooms(architecture: &str) -> Rooms {
    const HEAD: &str = "| floor | room | does | may use on its own floor |";
    let mut rooms = Rooms::new();
    let table = architecture.lines().skip_while(|line| *line != HEAD);
    for line in table.skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, floor, names, _, beside, _] = cells[..] else {
            break;
        };
        let floor: u32 = floor.parse().unwrap_or_else(|_| panic!("no floor: {line}"));
        for name in quoted(names) {
            let beside = quoted(beside);
            rooms.insert(name, Room { floor, beside });
        }
    }
    rooms
}

/// The words between backquotes.
fn quoted(cell: &str) -> BTreeSet<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// What is wrong if the room `here` names the room `there`.
fn violation(rooms: &Rooms, here: &str, there: &str) -> Option<String> {
    // Only tests use `testing`, and it may use every room.
    if here == "testing" {
        return None;
    }
    let Some(room) = rooms.get(here) else {
        return Some(format!("`{here}` is not in the table"));
    };
    let Some(other) = rooms.get(there) else {
        return Some(format!(
            "`{here}` uses `{there}`, which is not in the table"
        ));
    };
    if here == there || other.floor < room.floor || room.beside.contains(there) {
        return None;
    }
    Some(format!(
        "`{here}` on floor {} uses `{there}` on floor {}",
        room.floor, other.floor
    ))
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> Rooms {
    rooms(&fs::read_to_string(project().join("docs/architecture.md")).unwrap())
}

#[test]
fn imports_point_down() {
    let rooms = table();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources_of(&project().join("src")) {
        let Some(here) = source.room() else {
            continue;
        };
        seen.insert(here.clone());
        for there in room_imports(&source) {
            let Some(violation) = violation(&rooms, &here, &there) else {
                continue;
            };
            wrong.push(format!("src/{}: {violation}", source.name));
        }
    }
    for room in rooms.keys() {
        if !seen.contains(room) {
            wrong.push(format!("the table has `{room}`, src has not"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The program is a call of one function of the library.
#[test]
fn the_program_calls_main() {
    let text = fs::read_to_string(project().join("src/main.rs")).unwrap();
    let source = Source::new("main.rs", &["main"], &text);
    let named = sources::paths_from(&source, "rbootstrap");
    assert_eq!(named, BTreeSet::from(["main".to_owned()]));
}

/// Every way to name a room, as source text; `ROOM` stands for the room.
const FORMS: &[&str] = &[
    "use crate::ROOM::thing;",
    "use crate::ROOM::*;",
    "use crate::{formats, ROOM::{self, thing as other}};",
    "use {crate::ROOM};",
    "use super::ROOM::thing;",
    "mod inner { use super::super::ROOM::thing; }",
    "mod inner { use self::super::super::ROOM; }",
    "fn f() { crate::ROOM::thing(); }",
    "fn f() { let _ = super::ROOM::THING; }",
    "fn f(_: &crate::ROOM::Thing) {}",
    "fn f() -> Vec<super::ROOM::Thing> { Vec::new() }",
    "struct S { field: Option<crate::ROOM::Thing> }",
    "impl crate::ROOM::Trait for S {}",
    "fn f(x: u8) { match x { crate::ROOM::THING => {} _ => {} } }",
    "fn f() { assert!(matches!(1, crate::ROOM::THING)); }",
    "macro_rules! m { () => { $crate::ROOM::thing() } }",
    "#[serde(with = \"crate::ROOM\")] struct S;",
    "#[cfg(not(test))] use crate::ROOM::thing;",
    "#[cfg(test)] mod tests {} use crate::ROOM::thing;",
];

/// Code for tests, which may name every room.
const TEST_FORMS: &[&str] = &[
    "#[cfg(test)] use crate::ROOM::thing;",
    "#[cfg(test)] mod tests { use crate::ROOM::thing; }",
    "#[cfg(any(test, feature = \"testing\"))] fn f() { crate::ROOM::thing(); }",
    "#[cfg(all(test, unix))] fn f() { crate::ROOM::thing(); }",
    "struct S; impl S { #[cfg(test)] fn f() { crate::ROOM::thing(); } }",
    "// use crate::ROOM::thing;",
];

fn planted(room: &str, form: &str, other: &str) -> BTreeSet<String> {
    let source = Source::new(&format!("{room}.rs"), &[room], &form.replace("ROOM", other));
    room_imports(&source)
}

/// Plants an import of every other room in every room, in every form, and expects what the table
/// says.
#[test]
fn planted_imports_are_found() {
    let rooms = table();
    for here in rooms.keys() {
        let mut upward = 0;
        for there in rooms.keys().filter(|there| *there != here) {
            for form in FORMS {
                let found = planted(here, form, there);
                assert!(found.contains(there), "{form} in {here}: {found:?}");
            }
            for form in TEST_FORMS {
                let found = planted(here, form, there);
                assert_eq!(found, BTreeSet::new(), "{form} in {here}");
            }
            let is_lower = rooms[there].floor < rooms[here].floor;
            let is_allowed = is_lower || rooms[here].beside.contains(there);
            assert_eq!(
                violation(&rooms, here, there).is_none(),
                is_allowed,
                "{here} uses {there}"
            );
            upward += usize::from(!is_allowed);
        }
        let is_highest = rooms.values().all(|room| room.floor <= rooms[here].floor);
        assert!(upward > 0 || is_highest, "nothing is forbidden to {here}");
        assert!(violation(&rooms, here, "testing").is_some());
    }
}

/// A file in a directory of the room resolves `super` from where it is.
#[test]
fn super_is_relative_to_the_module() {
    let text = "use super::super::store::Store; use super::plan; use self::run; use other::ui;";
    let source = Source::new("archive/index.rs", &["archive", "index"], text);
    assert_eq!(room_imports(&source), BTreeSet::from(["store".to_owned()]));
}

#[test]
fn the_table_is_read() {
    let table = "text\n| floor | room | does | may use on its own floor |\n\
                 | --- | --- | --- | --- |\n\
                 | 3 | `archive` | a | `plan`, `dpkg` |\n| 0 | `digest`, `report` | c | |\n\n\
                 more | text";
    let room = |floor, beside: &[&str]| Room {
        floor,
        beside: beside.iter().map(|name| (*name).to_owned()).collect(),
    };
    let expected = Rooms::from([
        ("archive".to_owned(), room(3, &["dpkg", "plan"])),
        ("digest".to_owned(), room(0, &[])),
        ("report".to_owned(), room(0, &[])),
    ]);
    assert_eq!(rooms(table), expected);
}
