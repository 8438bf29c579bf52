//! What is read of texts, sound ones and damaged ones.

use super::*;

#[test]
fn stanzas_are_split_at_empty_lines() {
    let all: Vec<&str> = stanzas("\n\nA: 1\nB: 2\n\n\nA: 3").collect();
    assert_eq!(all, ["A: 1\nB: 2\n", "A: 3"]);
    let all: Vec<&str> = stanzas("A: 1\n\r\nB: 2\n").collect();
    assert_eq!(all, ["A: 1\n", "B: 2\n"]);
    for empty in ["", "\n\n", "\r\n\n"] {
        assert_eq!(stanzas(empty).next(), None);
    }
}

#[test]
fn the_scanner_finds_the_same_stanzas() {
    for text in [
        "",
        "\n\n",
        "A: 1\nB: 2\n\n\nA: 3",
        "\nA:\n x\n\ty\nB",
        "A\n\n",
        "A: 1\r\nB: 2\r\n\r\nA: 3\r\n",
        "A\n\r\nB\n\r\r\n\nC\n\r",
        "A\n\rB\n\n\r\n\rC\n",
    ] {
        let mut scanned = Vec::new();
        let mut scanner = Scanner::new(text.as_bytes());
        while let Some(start) = scanner.next_stanza() {
            while scanner.next_field().is_some() {}
            scanned.push(start..scanner.position());
        }
        let found: Vec<Range<usize>> = Ranges::new(text.as_bytes()).collect();
        assert_eq!(scanned, found, "{text:?}");
    }
}

#[test]
fn unwanted_fields_go_with_their_continuation_lines() {
    let text = b"B: 1\nA: 1\nB: 2\n b\n\tb\nN:\nA: 3\n a\nz:\n\n\nN:\nA:4\nB:";
    for (wanted, expected) in [
        ("A:", "A: 1\nN:\nA: 3\n a\n\n\nN:\nA:4\n"),
        ("B:", "B: 1\nB: 2\n b\n\tb\nN:\n\n\nN:\nB:"),
        ("C:", "N:\n\n\nN:\n"),
    ] {
        let mut kept = b"x".to_vec();
        let what = |field: &[u8]| match field.starts_with(wanted.as_bytes()) {
            true => Wanted::Name,
            false if field.starts_with(b"N:") => Wanted::Name,
            false => Wanted::No,
        };
        assert_eq!(keep_fields(text, what, &mut kept), Ok(text.len()));
        assert_eq!(String::from_utf8(kept).unwrap(), format!("x{expected}"));
    }
}

/// What `apt-cache dumpavail` has of such an index.
#[test]
fn lines_without_a_colon_take_the_next_field_with_them() {
    let what = |field: &[u8]| match field {
        [b'P', ..] => Wanted::Name,
        [b'V', ..] => Wanted::Yes,
        _ => Wanted::No,
    };
    for (text, expected, length) in [
        ("# x\nV: 1\nP: a\n", Ok("P: a\n"), 14),
        ("P: a\nV: 1\n# x\n", Ok(""), 0),
        ("P: a\n\nP: b\n\0\0", Ok("P: a\n\n"), 6),
        (
            "P: a\n# x\n\nV: 1\nP: b\nV: 2\n",
            Ok("P: a\nP: b\nV: 2\n"),
            25,
        ),
        ("P: a\nx\n\n\n y:\n z\nV: 1\n", Ok("P: a\nV: 1\n"), 21),
        (" x\nP: a\n", Ok("P: a\n"), 8),
        ("P: a\n \nP: b\n", Ok("P: a\n \nP: b\n"), 12),
        ("P: a\n\n  \n\nP: b\n", Err(Unnamed), 0),
        ("P: a\n\nV: 1\n", Err(Unnamed), 0),
    ] {
        let mut kept = Vec::new();
        let read = keep_fields(text.as_bytes(), what, &mut kept);
        let kept = String::from_utf8(kept).unwrap();
        assert_eq!(read, expected.map(|_| length), "{text:?}");
        assert!(
            expected.is_err() || expected == Ok(kept.as_str()),
            "{text:?}: {kept:?}"
        );
    }
}

#[test]
fn only_two_empty_lines_are_an_empty_stanza() {
    for (text, expected) in [
        ("", false),
        ("\nA: 1", false),
        ("\r\nA: 1", false),
        ("\n", true),
        ("\n\nA: 1", true),
        ("\r\n\r\nA: 1", true),
    ] {
        assert_eq!(begins_empty(text.as_bytes()), expected, "{text:?}");
        let all: Vec<(&str, &str)> = fields(text).collect();
        let is_read = text.ends_with('1') && !expected;
        assert_eq!(all.len(), usize::from(is_read), "{text:?}");
    }
}

#[test]
fn fields_keep_continuation_lines() {
    let text = "A: 1\nB :\n x\n .\n y\nnonsense\n\n#D: 1\n e: f\nC\t:z\nA: 2\n\nE: 1\n";
    let all: Vec<(&str, &str)> = fields(text).collect();
    let expected = [
        ("A", "1"),
        ("B", "x\n .\n y"),
        ("nonsense\n\n#D", "1\n e: f"),
        ("C", "z"),
        ("A", "2"),
    ];
    assert_eq!(all, expected);
    assert_eq!(Fields::read(text).one("a"), Some("2"));
}

#[test]
fn fields_are_found_without_regard_to_case() {
    let all = Fields::read("A: 1\nB:\n");
    assert_eq!(all.one("a"), Some("1"));
    assert_eq!(all.one("B"), None);
    assert_eq!(all.one("C"), None);
}
