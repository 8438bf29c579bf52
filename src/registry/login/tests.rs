//! Tables of entries, helpers and their answers.

use super::*;

fn shown(login: Option<RegistryLogin>) -> String {
    match login {
        None => "none".to_owned(),
        Some(RegistryLogin::Password { user, password }) => format!("{user}:{password}"),
        Some(RegistryLogin::Identity(token)) => format!("identity {token}"),
        Some(RegistryLogin::Token(token)) => format!("token {token}"),
    }
}

fn target(registry: &str) -> RepositoryName {
    RepositoryName {
        registry: registry.to_owned(),
        repository: "team/debian".to_owned(),
    }
}

/// `dTpw` is u:p, `djpx` is v:q.
#[test]
fn entries_of_files_are_found() {
    let table = [
        (
            "a host",
            r#"{"r.example":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "a host with a port",
            r#"{"r.example:5000":{"auth":"dTpw"}}"#,
            "r.example:5000",
            "u:p",
        ),
        (
            "another port",
            r#"{"r.example:5000":{"auth":"dTpw"}}"#,
            "r.example",
            "none",
        ),
        (
            "another host",
            r#"{"r.example":{"auth":"dTpw"}}"#,
            "s.example",
            "none",
        ),
        (
            "the end of a host",
            r#"{"example":{"auth":"dTpw"}}"#,
            "r.example",
            "none",
        ),
        (
            "a URL",
            r#"{"https://r.example":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "a URL of v1",
            r#"{"https://r.example/v1/":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "a URL with a path",
            r#"{"http://r.example/any":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "v2 without a scheme",
            r#"{"r.example/v2/":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "docker's own",
            r#"{"https://index.docker.io/v1/":{"auth":"dTpw"}}"#,
            "docker.io",
            "u:p",
        ),
        (
            "docker's own, by podman",
            r#"{"docker.io":{"auth":"dTpw"}}"#,
            "docker.io",
            "u:p",
        ),
        (
            "docker's own, by host",
            r#"{"registry-1.docker.io":{"auth":"dTpw"}}"#,
            "docker.io",
            "u:p",
        ),
        (
            "a namespace",
            r#"{"r.example/team":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "a repository",
            r#"{"r.example/team/debian":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "another namespace",
            r#"{"r.example/tea":{"auth":"dTpw"}}"#,
            "r.example",
            "none",
        ),
        (
            "the narrowest",
            r#"{"r.example":{"auth":"djpx"},"r.example/team":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "the name itself before a URL of it",
            r#"{"https://r.example/v1/":{"auth":"djpx"},"r.example":{"auth":"dTpw"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "a user name and a password",
            r#"{"r.example":{"username":"u","password":"p"}}"#,
            "r.example",
            "u:p",
        ),
        (
            "a colon in the password",
            r#"{"r.example":{"auth":"dTpwOnE="}}"#,
            "r.example",
            "u:p:q",
        ),
        (
            "no padding",
            r#"{"r.example":{"auth":"dTpwOnE"}}"#,
            "r.example",
            "u:p:q",
        ),
        (
            "a NUL after it",
            r#"{"r.example":{"auth":"dTpwAA=="}}"#,
            "r.example",
            "u:p",
        ),
        (
            "an identity token",
            r#"{"r.example":{"auth":"dTo=","identitytoken":"i"}}"#,
            "r.example",
            "identity i",
        ),
        (
            "a registry token",
            r#"{"r.example":{"registrytoken":"t"}}"#,
            "r.example",
            "token t",
        ),
        ("an empty entry", r#"{"r.example":{}}"#, "r.example", "none"),
        ("null", r#"{"r.example":null}"#, "r.example", "none"),
        (
            "not base64",
            r#"{"r.example":{"auth":"!"}}"#,
            "r.example",
            "bad",
        ),
        (
            "no colon",
            r#"{"r.example":{"auth":"dQ=="}}"#,
            "r.example",
            "bad",
        ),
    ];
    for (name, auths, registry, expected) in table {
        let file = LoginFile::parse(&format!("{{\"auths\":{auths}}}")).unwrap();
        let found = match file.login(&target(registry)) {
            Ok(login) => shown(login),
            Err(error) => {
                assert!(error.to_string().contains("r.example"), "{name}");
                "bad".to_owned()
            }
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn helpers_are_found() {
    let table = [
        ("none", r#"{}"#, "r.example", None),
        (
            "for all",
            r#"{"credsStore":"pass"}"#,
            "r.example",
            Some("pass"),
        ),
        (
            "its own",
            r#"{"credHelpers":{"r.example":"ecr-login"}}"#,
            "r.example",
            Some("ecr-login"),
        ),
        (
            "another's",
            r#"{"credHelpers":{"r.example":"ecr-login"}}"#,
            "s.example",
            None,
        ),
        (
            "its own before all",
            r#"{"credsStore":"pass","credHelpers":{"r.example":"ecr-login"}}"#,
            "r.example",
            Some("ecr-login"),
        ),
        (
            "none for this one",
            r#"{"credsStore":"pass","credHelpers":{"r.example":""}}"#,
            "r.example",
            None,
        ),
        ("empty", r#"{"credsStore":""}"#, "r.example", None),
        (
            "null",
            r#"{"credsStore":null,"credHelpers":null,"auths":null}"#,
            "r.example",
            None,
        ),
    ];
    for (name, text, registry, expected) in table {
        let file = LoginFile::parse(text).unwrap();
        assert_eq!(file.helper(&target(registry)), expected, "{name}");
    }
    assert!(
        LoginFile::parse(" \n")
            .unwrap()
            .helper(&target("h"))
            .is_none()
    );
    assert!(LoginFile::parse("[1]").is_err());
    assert_eq!(target("docker.io").server(), DOCKER_SERVER);
    assert_eq!(target("r.example:1").server(), "r.example:1");
}

#[test]
fn answers_of_helpers_are_read() {
    let table = [
        (r#"{"ServerURL":"r","Username":"u","Secret":"p"}"#, "u:p"),
        (r#"{"Username":"<token>","Secret":"i"}"#, "identity i"),
        (r#"{"Username":"u"}"#, "none"),
        ("credentials not found", "none"),
        ("", "none"),
    ];
    for (answer, expected) in table {
        assert_eq!(shown(of_helper(answer.as_bytes())), expected, "{answer}");
    }
}

#[test]
fn no_secret_is_shown() {
    let file = LoginFile::parse(r#"{"auths":{"r":{"auth":"dTpw","password":"p"}}}"#).unwrap();
    let login = file.login(&target("r")).unwrap();
    let shown = format!("{file:?} {login:?}");
    for secret in ["dTpw", "\"p\""] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
