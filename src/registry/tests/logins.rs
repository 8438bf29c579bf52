//! Files of logins and helpers, read when a registry asks.

use std::os::unix::fs::PermissionsExt;

use super::super::find;
use super::super::login::RepositoryName;
use super::*;
use crate::failure::Class;
use crate::report::Event;
use crate::testing::registry::{Asks, PASSWORD};

#[test]
fn files_of_logins_are_read_when_a_registry_asks() {
    let registry = FakeRegistry::start(Asks::Basic, |_, _| None);
    put_annotated(&registry);
    let name = format!("{}/team/debian:1", registry.host());
    let table = [
        (
            "no JSON",
            "{\"auths\":{\"x\":s3cret",
            "is not a credentials file: line 1, column ",
        ),
        (
            "a bad entry",
            "{\"auths\":{\"HOST\":{\"auth\":\"s3cret\"}}}",
            "is not the base64 of",
        ),
        (
            "a token with a line break",
            "{\"auths\":{\"HOST\":{\"registrytoken\":\"s3cret\\n\"}}}",
            "config.json has characters that HTTP headers do not allow",
        ),
    ];
    for (case, text, expected) in table {
        let text = text.replace("HOST", &registry.host());
        let error = TestClient::with_logins(&text).look_up(&name).unwrap_err();
        let shown = shown(&error);
        assert!(shown.contains(expected), "{case}: {shown}");
        assert!(!shown.contains(PASSWORD), "{case}: {shown}");
        assert_eq!(error.class(), Class::Usage, "{case}");
    }
    let client = TestClient::with_logins("{}");
    fs::remove_file(client.path("config.json")).unwrap();
    let shown = shown(&client.look_up(&name).unwrap_err());
    assert!(shown.contains("cannot read "), "{shown}");

    // A registry that asks for nothing has no file read.
    let open = FakeRegistry::open();
    assert_eq!(
        client.look_up(&format!("{}/a:1", open.host())).unwrap(),
        None
    );
}

/// As a user who may not read everything, whoever runs the test.
#[test]
fn no_credentials_file_is_ignored_without_a_word() {
    use nix::unistd::{Uid, setfsuid};
    use std::sync::Mutex;

    // The modes of the directory and the file; the warning and the error.
    let table = [
        ("readable", 0o755, 0o644, "", ""),
        ("absent", 0o755, 0, "", ""),
        ("a closed file", 0o755, 0o200, "", "cannot read "),
        (
            "a closed directory",
            0o600,
            0o644,
            "config.json is not searched for a login: Permission denied",
            "",
        ),
    ];
    for (name, directory_mode, mode, warning, refused) in table {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("directory");
        fs::create_dir(&directory).unwrap();
        let path = directory.join("config.json");
        let set_mode = |path: &std::path::Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        if mode != 0 {
            fs::write(&path, "{}").unwrap();
            set_mode(&path, mode);
        }
        set_mode(place.path(), 0o755);
        set_mode(&directory, directory_mode);
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&warnings);
        let report = Report::new(move |event| {
            if let Event::Warning(text) = event {
                heard.lock().unwrap().push(text);
            }
        });
        let target = RepositoryName {
            registry: "r.example".to_owned(),
            repository: "a".to_owned(),
        };
        let paths = [LoginPath {
            path,
            is_named: false,
        }];
        // Of this thread alone.
        setfsuid(Uid::from_raw(65534));
        let found = find::login(&paths, &target, &Interrupt::default(), &report);
        setfsuid(Uid::effective());
        set_mode(&directory, 0o755);
        let error = found.err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.starts_with(refused), "{name}: {error}");
        assert_eq!(error.is_empty(), refused.is_empty(), "{name}: {error}");
        let warned = warnings.lock().unwrap().join("; ");
        assert!(warned.contains(warning), "{name}: {warned}");
        assert_eq!(warned.is_empty(), warning.is_empty(), "{name}: {warned}");
    }
}

/// Runs itself with a PATH that has the helpers.
#[test]
fn helpers_give_logins() {
    const CHILD: &str = "RBOOTSTRAP_TEST_HELPERS_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let directory = tempfile::tempdir().unwrap();
        let scripts = [
            (
                "good",
                "read -r server; echo \"{\\\"ServerURL\\\":\\\"$server\\\",\
                 \\\"Username\\\":\\\"me\\\",\\\"Secret\\\":\\\"s3cret\\\"}\"",
            ),
            (
                "none",
                "echo credentials not found in native keychain; exit 1",
            ),
            ("broken", "echo no keychain at http://u:s3cret@h/; exit 3"),
            ("silent", "exit 0"),
        ];
        for (name, script) in scripts {
            let path = directory.path().join(format!("docker-credential-{name}"));
            let script = format!("#!/bin/sh\n[ \"$1\" = get ] || exit 9\n{script}\n");
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", directory.path().display());
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "registry::tests::logins::helpers_give_logins"])
            .env("PATH", path)
            .env(CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success(), "{output}");
        assert!(output.contains("1 passed"), "{output}");
        return;
    }
    let registry = FakeRegistry::start(Asks::Basic, |_, _| None);
    put_annotated(&registry);
    let host = registry.host();
    let name = format!("{host}/team/debian:1");
    let table = [
        ("for all", r#"{"credsStore":"good"}"#, None),
        (
            "its own",
            r#"{"credHelpers":{"HOST":"good"},"credsStore":"broken"}"#,
            None,
        ),
        (
            "knows none",
            r#"{"credsStore":"none"}"#,
            Some("denies access (401)"),
        ),
        (
            "knows none, but the file does",
            r#"{"credsStore":"none","auths":{"HOST":{"auth":"bWU6czNjcmV0"}}}"#,
            None,
        ),
        (
            "fails",
            r#"{"credsStore":"broken"}"#,
            Some("config.json names, failed with exit status: 3: no keychain at http://u:***@h/"),
        ),
        (
            "says nothing",
            r#"{"credsStore":"silent"}"#,
            Some("names, gives no login"),
        ),
        (
            "is absent",
            r#"{"credsStore":"absent"}"#,
            Some("names, cannot be run: No such file"),
        ),
        (
            "is a path",
            r#"{"credsStore":"../x"}"#,
            Some("is not a program name"),
        ),
    ];
    for (case, text, refused) in table {
        let client = TestClient::with_logins(&text.replace("HOST", &host));
        match (client.look_up(&name), refused) {
            (Ok(found), None) => assert!(found.is_some(), "{case}"),
            (Err(error), Some(refused)) => {
                let shown = shown(&error);
                assert!(shown.contains(refused), "{case}: {shown}");
                assert!(!shown.contains(PASSWORD), "{case}: {shown}");
            }
            (found, refused) => panic!("{case}: {found:?}, {refused:?}"),
        }
    }
}
