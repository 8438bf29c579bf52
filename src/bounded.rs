//! Reads files and pipes of unknown size up to a limit.
//!
//! A file of the user, of the host or of a tree can be of any size, and a pipe or a device may never
//! end. Each caller names its limit, and says in its own error what exceeds it.

use std::io::{self, Read};

/// Reads the whole content; `None` if it has more than `limit` bytes.
pub(crate) fn read(input: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let mut bounded = input.take(limit.saturating_add(1));
    let length = bounded.read_to_end(&mut content)?;
    Ok((length as u64 <= limit).then_some(content))
}

/// As [`read`], for a text in UTF-8. Another encoding is an error of the kind `InvalidData`.
pub(crate) fn read_text(input: impl Read, limit: u64) -> io::Result<Option<String>> {
    let Some(content) = read(input, limit)? else {
        return Ok(None);
    };
    match String::from_utf8(content) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            error.utf8_error(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_read_up_to_the_limit() {
        let table = [
            ("empty", "", 0, Some("")),
            ("shorter", "ab", 3, Some("ab")),
            ("at the limit", "abc", 3, Some("abc")),
            ("longer", "abcd", 3, None),
            ("no limit", "abcd", u64::MAX, Some("abcd")),
        ];
        for (name, input, limit, expected) in table {
            let read = read(input.as_bytes(), limit).unwrap();
            assert_eq!(read.as_deref(), expected.map(str::as_bytes), "{name}");
            let text = read_text(input.as_bytes(), limit).unwrap();
            assert_eq!(text.as_deref(), expected, "{name}");
        }
        assert_eq!(read(io::repeat(0), 1000).unwrap(), None);
        let error = read_text(&b"a\xff"[..], 1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
