//! What must hold for anything that a registry asks with, and for any credentials file (see
//! `testing::fuzz`).

use super::challenge::Challenge;
use super::login::{LoginFile, RepositoryName};

/// A challenge or a credentials file: a token service has a realm, and no secret is shown.
pub(crate) fn logins(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    if let Some(Challenge::Bearer(service)) = Challenge::choose(std::slice::from_ref(&text)) {
        assert!(text.to_ascii_lowercase().contains("realm"), "{service:?}");
        assert!(service.realm.len() <= text.len(), "{service:?}");
    }
    let Ok(file) = LoginFile::parse(&text) else {
        return;
    };
    let target = RepositoryName {
        registry: "r.example".to_owned(),
        repository: "team/debian".to_owned(),
    };
    if let Ok(Some(login)) = file.login(&target) {
        assert!(text.contains("r.example"), "{text}");
        let shown = format!("{login:?}");
        assert!(["Password", "Identity", "Token"].contains(&shown.as_str()));
    }
    assert_ne!(file.helper(&target), Some(""));
}
