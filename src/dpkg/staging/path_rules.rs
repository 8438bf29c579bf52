//! Which paths are left out: dpkg's `path-exclude` and `path-include` (dpkg(1)).

use crate::formats::deb::Kind;
use crate::formats::glob::matches;
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

#[cfg(test)]
mod tests {
    use super::*;

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
