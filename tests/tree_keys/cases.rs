//! The sources and keyrings of a run, and the sources and keyrings of its tree.

/// What a run is given, and what its tree has.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Whether the tree's sources are deb822.
    pub(super) deb822: bool,
    /// The files of `--keyring`.
    pub(super) keyrings: &'static [&'static str],
    /// A `--source`, with `{url}`, `{dir}`, `{fingerprint}` and `{inline}`; one with several lines
    /// is a file.
    pub(super) source: &'static str,
    /// What the tree's sources contain.
    pub(super) expected: &'static str,
    /// Keyrings that the tree has.
    pub(super) files: &'static [&'static str],
}

const OWN: &[&str] = &["own.gpg"];
pub(super) const TREE_PATH: &str = "usr/share/keyrings/fake-archive-keyring.gpg";
const OWN_FILE: &str = "etc/apt/keyrings/fake.gpg";
const OWN_TRUSTED: &str = "etc/apt/trusted.gpg.d/fake.gpg";

pub(super) const CASES: [Case; 21] = [
    Case {
        name: "an own keyring in deb822",
        deb822: true,
        keyrings: OWN,
        source: "",
        expected: "Signed-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "an own keyring in lines",
        deb822: false,
        keyrings: OWN,
        source: "",
        expected: "deb http",
        files: &[OWN_TRUSTED],
    },
    Case {
        name: "an armored keyring",
        deb822: true,
        keyrings: &["own.asc"],
        source: "",
        expected: "Signed-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "an armored keyring called .gpg",
        deb822: false,
        keyrings: &["armored.gpg"],
        source: "",
        expected: "deb http",
        files: &[OWN_TRUSTED],
    },
    Case {
        name: "two keyrings, the second of which has signed",
        deb822: true,
        keyrings: &["vendor.asc", "own.gpg"],
        source: "",
        expected: "Signed-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "a keyring with the key of the suite's file",
        deb822: true,
        keyrings: &["both.gpg"],
        source: "deb {url}/old old main",
        expected: "Suites: old\nComponents: main\nSigned-By: /usr/share/keyrings/fake-archive-keyring.gpg\n",
        files: &[OWN_FILE, TREE_PATH],
    },
    Case {
        name: "the keyring of a suite's file",
        deb822: true,
        keyrings: &[],
        source: "",
        expected: "Signed-By: /usr/share/keyrings/fake-archive-keyring.gpg\n",
        files: &[TREE_PATH],
    },
    Case {
        name: "the keyring of a suite's file, for sources in lines",
        deb822: false,
        keyrings: &[],
        source: "",
        expected: "deb http",
        files: &["etc/apt/trusted.gpg.d/fake-archive-keyring.gpg"],
    },
    Case {
        name: "signed-by a file of the host alone",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.gpg] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/vendor.gpg\n",
        files: &[OWN_FILE, "etc/apt/keyrings/vendor.gpg"],
    },
    Case {
        name: "signed-by an armored file, in lines",
        deb822: false,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.asc] {url}/vendor more main",
        expected: "signed-by=/etc/apt/keyrings/vendor.asc]",
        files: &[OWN_TRUSTED, "etc/apt/keyrings/vendor.asc"],
    },
    Case {
        name: "signed-by a file without an ending that apt knows",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.key] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/vendor.gpg\n",
        files: &[OWN_FILE, "etc/apt/keyrings/vendor.gpg"],
    },
    Case {
        name: "signed-by two files",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/own.gpg,{dir}/vendor.asc] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/own.gpg /etc/apt/keyrings/vendor.asc\n",
        files: &[
            OWN_FILE,
            "etc/apt/keyrings/own.gpg",
            "etc/apt/keyrings/vendor.asc",
        ],
    },
    Case {
        name: "signed-by a file and a fingerprint",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/both.gpg,{dir}/vendor.gpg,{fingerprint}] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/both.gpg /etc/apt/keyrings/vendor.gpg ",
        files: &[
            OWN_FILE,
            "etc/apt/keyrings/both.gpg",
            "etc/apt/keyrings/vendor.gpg",
        ],
    },
    Case {
        name: "two keyrings of one name",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/vendor.gpg,{dir}/other/vendor.gpg] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/vendor.gpg /etc/apt/keyrings/vendor-2.gpg\n",
        files: &[
            OWN_FILE,
            "etc/apt/keyrings/vendor-2.gpg",
            "etc/apt/keyrings/vendor.gpg",
        ],
    },
    Case {
        name: "an inline key",
        deb822: true,
        keyrings: OWN,
        source: "Types: deb\nURIs: {url}/vendor\nSuites: more\nComponents: main\nSigned-By:\n{inline}\n",
        expected: "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "an inline key, for sources in lines",
        deb822: false,
        keyrings: OWN,
        source: "Types: deb\nURIs: {url}/vendor\nSuites: more\nComponents: main\nSigned-By:\n{inline}\n",
        expected: "[signed-by=/etc/apt/keyrings/127.0.0.1.gpg]",
        files: &[OWN_TRUSTED, "etc/apt/keyrings/127.0.0.1.gpg"],
    },
    Case {
        name: "a fingerprint among the own keys",
        deb822: true,
        keyrings: &["own.gpg", "vendor.asc"],
        source: "deb [signed-by={fingerprint}] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/127.0.0.1.gpg {fingerprint}\n",
        files: &[OWN_FILE, "etc/apt/keyrings/127.0.0.1.gpg"],
    },
    Case {
        name: "one key alone among the own keys",
        deb822: true,
        keyrings: &["own.gpg", "vendor.asc"],
        source: "deb [signed-by={fingerprint}!] {url}/vendor more main",
        expected: "Signed-By: /etc/apt/keyrings/127.0.0.1.gpg {fingerprint}!\n",
        files: &[OWN_FILE, "etc/apt/keyrings/127.0.0.1.gpg"],
    },
    Case {
        name: "no signed-by, and own keys",
        deb822: true,
        keyrings: &["own.gpg", "vendor.asc"],
        source: "deb {url}/vendor more main",
        expected: "Suites: more\nComponents: main\nSigned-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "a trusted source",
        deb822: true,
        keyrings: OWN,
        source: "deb [trusted=yes] {url}/vendor more main",
        expected: "Suites: more\nComponents: main\nTrusted: yes\n",
        files: &[OWN_FILE],
    },
    Case {
        name: "one suite with another keyring",
        deb822: true,
        keyrings: OWN,
        source: "deb [signed-by={dir}/own.asc] {url} fake contrib",
        expected: "Components: contrib\nSigned-By: /etc/apt/keyrings/fake.gpg\n",
        files: &[OWN_FILE],
    },
];
