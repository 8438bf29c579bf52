//! Patterns of fnmatch(3) without flags, as dpkg uses them for paths.

/// fnmatch(3) without flags: `*` and `?` match slashes too.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut p = 0;
    let mut t = 0;
    // Where to continue when the text does not match: after the last star, one byte further.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t + 1));
                p += 1;
                continue;
            }
            Some(_) => {
                if let Some(length) = matches_one(&pattern[p..], text[t]) {
                    p += length;
                    t += 1;
                    continue;
                }
            }
            None => {}
        }
        let Some((after_star, next)) = retry else {
            return false;
        };
        p = after_star;
        t = next;
        retry = Some((after_star, next + 1));
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// The length of the pattern's first element, which is not a star, if it matches a byte.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((inside, length)) => inside.then_some(length + 1),
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// A bracket expression after its opening bracket: whether the byte is in it, and its length. None
/// when nothing closes it.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let mut inside = false;
    let mut first = true;
    loop {
        let low = match *set.get(at)? {
            b']' if !first => return Some((inside != negated, at + 1)),
            b'\\' => {
                at += 1;
                *set.get(at)?
            }
            other => other,
        };
        first = false;
        at += 1;
        let high = match set[at..] {
            [b'-', high, ..] if high != b']' => {
                at += 2;
                high
            }
            _ => low,
        };
        inside |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("*.gz", "/a/b.gz", true),
            ("/*/b?", "/a/x/bc", true),
            ("/[a-c]x", "/bx", true),
            ("/[!a-c]x", "/bx", false),
            ("/[]]x", "/]x", true),
            ("/[ab", "/[ab", true),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("**a**", "a", true),
            ("", "", true),
            ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
