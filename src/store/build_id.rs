//! Identifies the program that runs: by its build ID or, if the linker has not written one, by its
//! content.
//!
//! The linker makes a build ID of the program's content (`ld --build-id`). It is a note in a
//! segment of the ELF file (elf(5)).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const HEADER_LENGTH: usize = 64;
/// Of an ELF file of 64 bits.
const MAGIC: &[u8] = b"\x7fELF\x02";
const SEGMENT_LENGTH: usize = 56;
const NOTES: u64 = 4;
/// Of a build ID, and its owner's name.
const BUILD_ID: u64 = 3;
const OWNER: &[u8] = b"GNU\0";
/// The largest segment of notes that is read, in bytes.
const NOTES_LIMIT: u64 = 64 << 10;

/// Identifies this program. No two builds have the same identity, whatever their time and length.
pub(super) fn program_identity() -> io::Result<String> {
    identity(&File::open("/proc/self/exe")?)
}

fn identity(program: &File) -> io::Result<String> {
    if let Some(id) = build_id(program) {
        return Ok(format!("build {id}"));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(program)?;
    Ok(format!("content {}", hasher.finalize().to_hex()))
}

/// The build ID, in hexadecimal digits. None for a program that has none.
fn build_id(program: &File) -> Option<String> {
    let header = read(program, 0, HEADER_LENGTH)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let table = number(&header, 32, 8)?;
    let count = number(&header, 56, 2)?;
    for at in 0..count {
        let start = table.checked_add(at * SEGMENT_LENGTH as u64)?;
        let segment = read(program, start, SEGMENT_LENGTH)?;
        let length = number(&segment, 32, 8)?;
        if number(&segment, 0, 4)? != NOTES || length > NOTES_LIMIT {
            continue;
        }
        let notes = read(program, number(&segment, 8, 8)?, length as usize)?;
        if let Some(id) = build_id_of(&notes) {
            return Some(id);
        }
    }
    None
}

/// The build ID among notes. Each has the lengths of its owner's name and of its content, its type,
/// and then both, at multiples of four bytes.
fn build_id_of(mut notes: &[u8]) -> Option<String> {
    while !notes.is_empty() {
        let name = number(notes, 0, 4)? as usize;
        let content = number(notes, 4, 4)? as usize;
        let kind = number(notes, 8, 4)?;
        let start = 12 + name.next_multiple_of(4);
        let found = notes.get(start..start + content)?;
        if kind == BUILD_ID && notes.get(12..12 + name) == Some(OWNER) && !found.is_empty() {
            let digits: Vec<String> = found.iter().map(|byte| format!("{byte:02x}")).collect();
            return Some(digits.concat());
        }
        notes = notes.get(start + content.next_multiple_of(4)..)?;
    }
    None
}

fn read(program: &File, at: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    program.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

/// A number of up to eight bytes, in this host's order: the program is its own.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let found = bytes.get(at..at + length)?;
    let mut whole = [0; 8];
    let start = match cfg!(target_endian = "little") {
        true => 0,
        false => 8 - length,
    };
    whole[start..start + length].copy_from_slice(found);
    Some(u64::from_ne_bytes(whole))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    /// A note, as the linker writes it.
    fn note(owner: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [owner.len() as u32, content.len() as u32, kind] {
            note.extend(number.to_ne_bytes());
        }
        for part in [owner, content] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn a_build_id_is_found_among_notes() {
        let other = note(b"GNU\0", 1, &[1; 16]);
        let id = note(b"GNU\0", 3, &[0xab, 0x01, 0xff]);
        let foreign = note(b"Go\0\0", 3, b"x");
        let table: [(&str, Vec<u8>, Option<&str>); 5] = [
            ("alone", id.clone(), Some("ab01ff")),
            (
                "after others",
                [&other[..], &foreign, &id].concat(),
                Some("ab01ff"),
            ),
            ("none", [other, foreign].concat(), None),
            ("cut off", id[..id.len() - 3].to_vec(), None),
            (
                "too long",
                [&u32::MAX.to_ne_bytes()[..], &id[4..]].concat(),
                None,
            ),
        ];
        for (name, notes, expected) in table {
            assert_eq!(build_id_of(&notes).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn programs_of_the_same_length_and_time_are_told_apart() {
        let one = identity(&file(b"program 1")).unwrap();
        assert_ne!(one, identity(&file(b"program 2")).unwrap());
        assert_eq!(one, identity(&file(b"program 1")).unwrap());
        assert_eq!(program_identity().unwrap(), program_identity().unwrap());
    }
}
