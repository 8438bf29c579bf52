//! What is done to a file of an archive after it was published.

/// What is done to a file after it was published.
#[derive(Clone, Copy)]
pub(super) enum Change {
    None,
    Before(&'static [u8]),
    After(&'static [u8]),
    /// Each occurrence.
    Replace(&'static str, &'static str),
    /// The bytes from the first occurrence of this text on are cut off.
    CutAt(&'static str),
    /// The last bytes, so many, are cut off.
    CutOff(usize),
    /// The lowest bit of the last byte is another.
    FlipLast,
    Content(&'static [u8]),
    /// The whole file a second time.
    Twice,
    Remove,
    /// A byte in place of the first of this text.
    Byte(&'static str, u8),
    /// White space of this many bytes at its end.
    Padding(usize),
}

impl Change {
    /// The file's new content; None if it is removed.
    pub(super) fn apply(&self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(match self {
            Change::None => bytes,
            Change::Before(added) => [added, &bytes[..]].concat(),
            Change::After(added) => [&bytes[..], added].concat(),
            Change::Replace(from, to) => {
                assert!(text.contains(from), "no `{from}` in {text}");
                text.replace(from, to).into_bytes()
            }
            Change::CutAt(at) => text.as_bytes()[..text.find(at).unwrap()].to_vec(),
            Change::CutOff(count) => bytes[..bytes.len() - count].to_vec(),
            Change::FlipLast => {
                let mut bytes = bytes;
                *bytes.last_mut().unwrap() ^= 1;
                bytes
            }
            Change::Content(content) => content.to_vec(),
            Change::Twice => bytes.repeat(2),
            Change::Remove => return None,
            Change::Byte(at, byte) => {
                let mut bytes = bytes;
                bytes[text.find(at).unwrap()] = *byte;
                bytes
            }
            Change::Padding(count) => [&bytes[..], &vec![b'\n'; *count]].concat(),
        })
    }
}
