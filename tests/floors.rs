//! The floors of docs/architecture.md, held: a room imports what is on a lower floor, and on its own floor what stands before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a room is: its floor, and its place in the reading order of the table.
type Rooms = BTreeMap<String, (u32, usize)>;

/// The rooms of the table whose head is `| floor | room | …`. On one floor, what stands to the left feeds what stands to the right,
/// so a later row may name an earlier one.
fn rooms(architecture: &str) -> Rooms {
    let mut rooms = Rooms::new();
    let table = architecture
        .lines()
        .skip_while(|line| !line.starts_with("| floor | room |"))
        .skip(2);
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let floor = cells[1]
            .parse()
            .unwrap_or_else(|_| panic!("no floor in `{line}`"));
        for name in cells[2].split(',') {
            let place = rooms.len();
            rooms.insert(
                name.trim()
                    .trim_matches('`')
                    .trim_end_matches(".rs")
                    .to_owned(),
                (floor, place),
            );
        }
    }
    rooms
}

/// The rooms that a source names by `crate::` (in the program: by `rbootstrap::` too).
fn imports(source: &str, roots: &[&str]) -> BTreeSet<String> {
    // A room's own tests may lean on whoever is there.
    let source = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut named = BTreeSet::new();
    for root in roots {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || "_$".contains(c)) {
                continue;
            }
            let rest = &code[at + root.len() + 2..];
            match rest.strip_prefix('{') {
                Some(group) => named.extend(heads(group)),
                None => named.extend(word(rest)),
            }
        }
    }
    named
}

/// The first words of a brace group's members, whatever braces they have of their own.
fn heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut at_head) = (Vec::new(), 0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.extend(word(&group[at..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

/// The module at the start of `text`; a type or a constant at the crate's root is none.
fn word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    word.starts_with(|c: char| c.is_lowercase()).then_some(word)
}

/// All sources with the room that each is in.
fn sources(directory: &Path) -> Vec<(String, PathBuf)> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(directory, &mut found);
    found.sort();
    let room = |path: &PathBuf| {
        let first = path
            .strip_prefix(directory)
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    };
    found
        .into_iter()
        .map(|path| (room(&path), path))
        .filter(|(room, _)| room != "lib")
        .collect()
}

#[test]
fn imports_point_down() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rooms = rooms(&fs::read_to_string(project.join("docs/architecture.md")).unwrap());
    assert!(
        rooms.len() > 10,
        "docs/architecture.md has no table of rooms: {rooms:?}"
    );
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (room, path) in sources(&project.join("src")) {
        let name = path.strip_prefix(project).unwrap().display();
        let Some(here) = rooms.get(&room) else {
            wrong.push(format!("{name}: `{room}` is not in the table"));
            continue;
        };
        let is_program = ["main", "cli"].contains(&&room[..]);
        let roots: &[&str] = if is_program {
            &["rbootstrap"]
        } else {
            &["crate"]
        };
        for other in imports(&fs::read_to_string(&path).unwrap(), roots)
            .into_iter()
            .filter(|other| *other != room)
        {
            match rooms.get(&other) {
                None => wrong.push(format!(
                    "{name}: imports `{other}`, which is not in the table"
                )),
                Some(there) if there >= here => wrong.push(format!(
                    "{name}: imports `{other}` from floor {}, being on floor {}",
                    there.0, here.0
                )),
                Some(_) => {}
            }
        }
        seen.insert(room);
    }
    wrong.extend(
        rooms
            .keys()
            .filter(|room| !seen.contains(*room))
            .map(|room| format!("the table has `{room}`, src/ has not")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_are_found() {
    let source = "use crate::store::{Store, Verified};\n// use crate::no;\nuse crate::{archive::{Index, Release}, plan, Error};\n\
                  fn f() -> crate::deb::Deb { $crate::x!(); mycrate::y() }";
    let found: Vec<String> = imports(source, &["crate"]).into_iter().collect();
    assert_eq!(found, ["archive", "deb", "plan", "store"]);
}

#[test]
fn the_table_is_read() {
    let table = "text\n| floor | room | knows |\n| --- | --- | --- |\n| 3 | `archive.rs` | a |\n| 3 | `plan` | b |\n| 0 | `digest`, `report` | c |\n\nmore";
    let read: Vec<(String, u32)> = rooms(table)
        .into_iter()
        .map(|(name, (floor, _))| (name, floor))
        .collect();
    assert_eq!(
        read,
        [
            ("archive".into(), 3),
            ("digest".into(), 0),
            ("plan".into(), 3),
            ("report".into(), 0)
        ]
    );
}
