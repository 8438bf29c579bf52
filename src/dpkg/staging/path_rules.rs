//! Which paths are left out: dpkg's `path-exclude` and `path-include` (dpkg(1)).

use crate::formats::deb::Kind;
use crate::formats::path_rule::{PathRule, PathRuleKind};
use crate::tree::rootfs::RootPath;

/// Whether a path is left out. A directory or symlink stays where an include rule might match
/// something below it.
pub(super) fn is_left_out(rules: &[PathRule], path: &RootPath, kind: Kind) -> bool {
    if rules.is_empty() {
        return false;
    }
    let path = [b"/", path.as_bytes()].concat();
    let mut left_out = false;
    for rule in rules {
        let decision = rule.kind() == PathRuleKind::Exclude;
        if left_out != decision && matches(rule.pattern().as_bytes(), &path) {
            left_out = decision;
        }
    }
    let may_have_more = matches!(kind, Kind::Directory | Kind::Symlink);
    left_out && !(may_have_more && rules.iter().any(|rule| may_include_below(rule, &path)))
}

/// Whether a rule may include something below a path.
fn may_include_below(rule: &PathRule, path: &[u8]) -> bool {
    if rule.kind() == PathRuleKind::Exclude {
        return false;
    }
    let literal = rule.pattern().split(['*', '?', '[', '\\']).next();
    let literal = literal.unwrap_or_default().trim_end_matches('/');
    path.starts_with(literal.as_bytes())
}

/// fnmatch(3) without flags: `*` and `?` match slashes too.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
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

    #[test]
    fn the_last_rule_counts_and_directories_stay_for_includes() {
        let rules = [
            (PathRuleKind::Exclude, "/usr/share/doc/*"),
            (PathRuleKind::Include, "/usr/share/doc/*/copyright"),
            (PathRuleKind::Exclude, "/usr/share/man/*"),
        ];
        let rules = rules.map(|(kind, pattern)| PathRule::new(kind, pattern).unwrap());
        let left_out = |path: &'static str, kind| is_left_out(&rules, &RootPath::known(path), kind);
        assert!(
            left_out("usr/share/doc/a/README", Kind::File)
                && !left_out("usr/share/doc/a/copyright", Kind::File)
        );
        assert!(
            !left_out("usr/share/doc/a", Kind::Directory)
                && !left_out("usr/share/doc/b", Kind::Symlink)
        );
        assert!(
            left_out("usr/share/man/man1", Kind::Directory)
                && !left_out("usr/share/man", Kind::Directory)
        );
        assert!(
            !left_out("usr/bin/a", Kind::File)
                && !is_left_out(&[], &RootPath::known("a"), Kind::File)
        );
    }
}
