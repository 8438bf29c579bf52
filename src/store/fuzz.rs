//! What must hold for any path that an index or a source names (see `testing::fuzz`).

use std::os::unix::ffi::OsStrExt;

use super::address::{Address, encode};
use super::shown;

/// A path: in a URL it changes neither host nor scheme, and stays the path that it was. Bytes that
/// are a URL are one that is shown without its password.
pub(crate) fn urls(data: &[u8]) {
    let path = String::from_utf8_lossy(data);
    let encoded = encode(&path);
    match Address::parse(&format!("http://ftp.debian.org/debian/{encoded}")) {
        Ok(Address::Web(url)) => {
            assert_eq!(url.host_str(), Some("ftp.debian.org"), "{url}");
            assert_eq!(url.port_or_known_default(), Some(80), "{url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{url}");
        }
        other => panic!("{other:?}: {encoded}"),
    }
    match Address::parse(&format!("file:/srv/{encoded}")) {
        Ok(Address::File(file)) => {
            let expected = format!("/srv/{path}");
            assert_eq!(file.as_os_str().as_bytes(), expected.as_bytes());
        }
        Ok(Address::Web(url)) => panic!("{url}"),
        Err(_) => assert!(path.contains('\0'), "{path:?}"),
    }
    if let Ok(Address::Web(url)) = Address::parse(&path)
        && let Some(password) = url.password()
        && password.len() > 8
        && path.matches(password).count() == 1
    {
        assert!(!shown(&path).contains(password), "{path}");
    }
}
