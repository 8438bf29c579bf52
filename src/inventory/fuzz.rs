//! What must hold for any copyright file (see `testing::fuzz`).

use super::copyright;
use super::license::is_listed;

/// A copyright file: its license is an expression, of listed identifiers and of those that come
/// with it.
pub(crate) fn copyright(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(found) = copyright::parse(&text) else {
        return;
    };
    let mut is_term = true;
    let mut depth = 0_usize;
    for word in found.expression.split(' ') {
        let opened = word.len() - word.trim_start_matches('(').len();
        let closed = word.len() - word.trim_end_matches(')').len();
        depth += opened;
        assert!(depth >= closed, "{}", found.expression);
        depth -= closed;
        let word = word.trim_matches(['(', ')']);
        let is_known = match is_term {
            true => is_listed(word) || found.others.contains_key(word),
            false => ["AND", "OR", "WITH"].contains(&word),
        };
        assert!(is_known, "{word} in {}", found.expression);
        is_term = !is_term;
    }
    assert!(!is_term && depth == 0, "{}", found.expression);
    for (id, other) in &found.others {
        let rest = id.strip_prefix("LicenseRef-").unwrap_or_default();
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        assert!(!rest.is_empty() && rest.bytes().all(is_id), "{id}");
        assert!(!other.name.is_empty());
    }
}
