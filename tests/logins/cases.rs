//! Files of logins, the URIs that are asked for, and whether a login is sent.

/// A file of entries and a source; whether both programs can read the archive.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// With `{host}` and `{port}`.
    pub(super) auth: &'static str,
    pub(super) uri: &'static str,
    pub(super) reads: bool,
}

pub(super) const CASES: [Case; 16] = [
    case("no entry", "", "http://{host}:{port}/private", false),
    case(
        "an entry with its scheme",
        "machine http://{host} login me password s3cret",
        "http://{host}:{port}/private",
        true,
    ),
    case(
        "an entry without a scheme",
        "machine {host} login me password s3cret",
        "http://{host}:{port}/private",
        false,
    ),
    case(
        "the right port",
        "machine http://{host}:{port} login me password s3cret",
        "http://{host}:{port}/private",
        true,
    ),
    case(
        "another port",
        "machine http://{host}:1 login me password s3cret",
        "http://{host}:{port}/private",
        false,
    ),
    case(
        "the beginning of the path",
        "machine http://{host}:{port}/priv login me password s3cret",
        "http://{host}:{port}/private",
        true,
    ),
    case(
        "another path",
        "machine http://{host}:{port}/public/ login me password s3cret",
        "http://{host}:{port}/private",
        false,
    ),
    case(
        "a path without the port",
        "machine http://{host}/private login me password s3cret",
        "http://{host}:{port}/private",
        false,
    ),
    case(
        "another host before it",
        "machine http://example.org login x password y\nmachine http://{host}\nlogin me\n\tpassword s3cret\n",
        "http://{host}:{port}/private",
        true,
    ),
    case(
        "a wrong password before the right one",
        "machine http://{host} login me password no\nmachine http://{host} login me password s3cret\n",
        "http://{host}:{port}/private",
        false,
    ),
    case(
        "words that are not known",
        "machine http://{host} account a login me password s3cret port 1",
        "http://{host}:{port}/private",
        true,
    ),
    case(
        "netrc's default",
        "default login me password s3cret",
        "http://{host}:{port}/private",
        false,
    ),
    case(
        "a login in the URL",
        "",
        "http://me:s3cret@{host}:{port}/private",
        true,
    ),
    case(
        "an encoded login in the URL",
        "",
        "http://%6de:s3%63ret@{host}:{port}/private",
        true,
    ),
    case(
        "a login in the URL beats an entry",
        "machine http://{host} login me password s3cret",
        "http://me:no@{host}:{port}/private",
        false,
    ),
    case(
        "an entry for where a redirect leads",
        "machine http://{host}:{port}/private login me password s3cret",
        "http://{host}:{port}/moved",
        true,
    ),
];

const fn case(name: &'static str, auth: &'static str, uri: &'static str, reads: bool) -> Case {
    Case {
        name,
        auth,
        uri,
        reads,
    }
}
