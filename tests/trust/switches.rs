//! What turns a check off, says so in every run, and relaxes nothing else.

use std::fs;

use rbootstrap::testing::archive::now;
use rbootstrap::testing::{DebBuilder, FakeSuite};

use super::small;
use crate::context::{TestContext, outcome};
use crate::table::{self, Row};

/// What is wrong with the further source.
#[derive(Clone, Copy)]
enum Wrong {
    Nothing,
    Unsigned,
    Expired,
    Future,
    /// Signed with SHA-1 digests of its indexes only.
    WeakDigests,
}

/// How the further source is given.
#[derive(Clone, Copy)]
enum Form {
    /// `--source 'deb [OPTIONS] …'`
    Line,
    /// A .list file.
    List,
    /// A .sources file.
    Deb822,
    /// The archive's own key may sign it.
    Signed,
}

struct Switched {
    name: &'static str,
    form: Form,
    /// Options of a line, or fields of a .sources file.
    entry: &'static str,
    wrong: Wrong,
    options: &'static [&'static str],
    code: i32,
    says: &'static str,
}

impl Row for Switched {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let context = TestContext::bare();
        context.archive.publish(&small());
        self.publish(&context);
        let url = context.mirror.url();
        let line = match self.form {
            Form::Signed => {
                let keyring = context.path("keyring.gpg");
                let keyring = keyring.display();
                format!("deb [signed-by={keyring} {}] {url} more main", self.entry)
            }
            _ => format!("deb [{}] {url} more main", self.entry),
        };
        let source = match self.form {
            Form::Line | Form::Signed => line,
            Form::List => {
                fs::write(context.path("more.list"), line).unwrap();
                "more.list".to_owned()
            }
            Form::Deb822 => {
                let head = format!("Types: deb\nURIs: {url}\nSuites: more\nComponents: main\n");
                let text = format!("{head}{}\n", self.entry);
                fs::write(context.path("more.sources"), text).unwrap();
                "more.sources".to_owned()
            }
        };
        let mut command = context.command();
        command
            .args(["--print-debs", "--variant=essential", "--tries=1"])
            .args(["--include=further", "--source", &source])
            .args(self.options)
            .args(["fake", "root", &url]);
        let found = outcome(&mut command).fails(self.code).names(&[self.says]);
        let warnings = found.stderr.to_lowercase().matches("warning").count();
        let expected = self.says.contains("NOT checked") || self.says.contains("even if");
        if self.code == 0 && self.says.is_empty() {
            assert_eq!(warnings, 0, "{}", found.stderr);
        }
        assert!(!expected || warnings > 0, "{}", found.stderr);
    }
}

impl Switched {
    /// Publishes the further source as it is wrong.
    fn publish(&self, context: &TestContext) {
        let mut shape = FakeSuite::new("more").with([DebBuilder::new("further", "1")]);
        match self.wrong {
            Wrong::Nothing | Wrong::WeakDigests => {}
            Wrong::Unsigned => shape.signers = Some(Vec::new()),
            Wrong::Expired => shape.valid_until = Some(now() - 60),
            Wrong::Future => shape.date = now() + 3600,
        }
        context.archive.publish(&shape);
        if matches!(self.wrong, Wrong::WeakDigests) {
            let directory = context.archive.root.join("dists/more");
            let text = fs::read_to_string(directory.join("Release")).unwrap();
            let weak = text.replace("SHA256:", "SHA1:");
            context.archive.sign(&shape, &directory, &weak);
        }
    }
}

fn row(name: &'static str, form: Form, entry: &'static str, wrong: Wrong) -> Switched {
    Switched {
        name,
        form,
        entry,
        wrong,
        options: &[],
        code: 0,
        says: "",
    }
}

fn ok(row: Switched, says: &'static str) -> Switched {
    Switched { says, ..row }
}

fn refused(row: Switched, says: &'static str) -> Switched {
    Switched {
        says,
        code: 3,
        ..row
    }
}

fn with(options: &'static [&'static str], row: Switched) -> Switched {
    Switched { options, ..row }
}

fn trusted() -> Vec<Switched> {
    use Form::{Deb822, Line, List, Signed};
    use Wrong::{Nothing, Unsigned};
    let warned = "are NOT checked";
    let line = "trusted=yes";
    let field = "Trusted: yes";
    vec![
        row("a sound source", Signed, "", Nothing),
        ok(row("trusted, line", Line, line, Unsigned), warned),
        ok(row("trusted, .list", List, line, Unsigned), warned),
        ok(row("trusted, .sources", Deb822, field, Unsigned), warned),
        ok(row("trusted, but signed", Line, line, Nothing), warned),
        ok(
            row("trusted, by another word", Line, "Trusted=TRUE", Unsigned),
            warned,
        ),
        with(
            &["-q"],
            ok(row("trusted, -q", Line, line, Unsigned), warned),
        ),
        with(
            &["--progress=none"],
            ok(row("trusted, no progress", Line, line, Unsigned), warned),
        ),
        with(
            &["--progress=json"],
            ok(row("trusted, JSON", Deb822, field, Unsigned), warned),
        ),
        with(
            &["--progress=plain", "-q"],
            ok(row("trusted, plain and -q", List, line, Unsigned), warned),
        ),
    ]
}

fn untrusted() -> Vec<Switched> {
    use Form::{Deb822, Line};
    use Wrong::{Future, Unsigned, WeakDigests};
    let line = "trusted=yes";
    vec![
        refused(row("unsigned", Line, "", Unsigned), "no signature"),
        refused(
            row("not trusted", Line, "trusted=no", Unsigned),
            "no signature",
        ),
        refused(
            row("not trusted, .sources", Deb822, "Trusted: no", Unsigned),
            "no signature",
        ),
        refused(
            row("trusted, from the future", Line, line, Future),
            "check this machine's clock",
        ),
        ok(
            row("trusted, weak digests", Line, line, WeakDigests),
            "neither SHA512",
        ),
        with(
            &["--no-check-gpg"],
            ok(
                row("no check at all", Line, "", Unsigned),
                "signatures are NOT checked",
            ),
        ),
        with(
            &["--no-check-gpg", "-q"],
            ok(
                row("no check at all, -q", Line, "", Unsigned),
                "signatures are NOT checked",
            ),
        ),
    ]
}

fn expired() -> Vec<Switched> {
    use Form::{Deb822, Line, List};
    use Wrong::{Expired, Future, Nothing, Unsigned};
    let warned = "even if it has expired";
    let line = "check-valid-until=no";
    let field = "Check-Valid-Until: no";
    vec![
        ok(row("unexpiring, line", Line, line, Expired), warned),
        ok(row("unexpiring, .list", List, line, Expired), warned),
        ok(row("unexpiring, .sources", Deb822, field, Expired), warned),
        ok(row("unexpiring, not expired", Line, line, Nothing), warned),
        with(
            &["-q"],
            ok(row("unexpiring, -q", Line, line, Expired), warned),
        ),
        refused(row("expired", Line, "", Expired), "--no-check-valid-until"),
        refused(
            row("expiring", Line, "check-valid-until=yes", Expired),
            "--no-check-valid-until",
        ),
        refused(
            row("unexpiring, unsigned", Line, line, Unsigned),
            "no signature",
        ),
        refused(
            row("unexpiring, from the future", Line, line, Future),
            "check this machine's clock",
        ),
        with(
            &["--no-check-valid-until"],
            row("expired, allowed", Line, "", Expired),
        ),
        with(
            &["--no-check-valid-until"],
            refused(
                row("unsigned, expiry allowed", Line, "", Unsigned),
                "no signature",
            ),
        ),
    ]
}

/// Options of apt that relax checks which are kept here.
fn without_effect() -> Vec<Switched> {
    use Form::{Deb822, Line};
    use Wrong::{Future, Nothing, Unsigned, WeakDigests};
    let no_effect = "has no effect";
    vec![
        refused(
            row("allow-insecure", Line, "allow-insecure=yes", Unsigned),
            "no signature",
        ),
        refused(
            row("allow-insecure, said", Line, "allow-insecure=yes", Unsigned),
            no_effect,
        ),
        refused(
            row("Allow-Insecure", Deb822, "Allow-Insecure: yes", Unsigned),
            no_effect,
        ),
        refused(
            row("allow-weak", Line, "allow-weak=yes", WeakDigests),
            no_effect,
        ),
        refused(
            row(
                "allow-downgrade",
                Line,
                "allow-downgrade-to-insecure=yes",
                Unsigned,
            ),
            no_effect,
        ),
        ok(
            row("check-date", Line, "check-date=no", Future),
            "check-date=no",
        ),
        ok(
            row("allow-insecure, sound", Line, "allow-insecure=yes", Nothing),
            no_effect,
        ),
        row("allow-insecure=no", Line, "allow-insecure=no", Nothing),
        with(
            &["--allow-rollback"],
            row("--allow-rollback alone", Line, "", Nothing),
        ),
        with(
            &["--allow-other-suite"],
            row("--allow-other-suite alone", Line, "", Nothing),
        ),
    ]
}

#[test]
#[ignore = "needs time"]
fn switches_are_said_and_relax_one_check() {
    let mut rows = trusted();
    rows.extend(untrusted());
    rows.extend(expired());
    rows.extend(without_effect());
    table::run("trust: switches", 38, &rows);
}
