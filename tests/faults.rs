//! Faults of servers: what HTTP and TLS allow a broken or hostile server to do, each with the
//! expected outcome.
//!
//! One file of a good archive is served by a script; the rest is served as it is. With a second
//! mirror, every fault ends well.

mod failover;
mod framing;
mod statuses;
mod tls;
mod transfers;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rbootstrap::testing::server::{Asked, Reply, Server};
use rbootstrap::testing::{DebBuilder, FakeSuite, Mirror};

use crate::context::{TestContext, outcome};
use crate::table::Row;

/// The file that is served by a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Release,
    Index,
    Deb,
}

use Target::{Deb, Index, Release};

type Script = fn(&Asked, &[u8]) -> Reply;

/// A fault and its outcome.
#[derive(Clone, Copy)]
struct Fault {
    name: &'static str,
    target: Target,
    script: Script,
    /// Whether a good mirror follows.
    has_second: bool,
    options: &'static [&'static str],
    code: i32,
    says: &'static str,
}

/// A server that ends well.
fn good(name: &'static str, target: Target, script: Script) -> Fault {
    Fault {
        name,
        target,
        script,
        has_second: false,
        options: &[],
        code: 0,
        says: "",
    }
}

/// A server that ends with this exit code and these words.
fn bad(name: &'static str, target: Target, outcome: (i32, &'static str), script: Script) -> Fault {
    let (code, says) = outcome;
    assert!(!says.is_empty(), "{name}: no words");
    Fault {
        code,
        says,
        ..good(name, target, script)
    }
}

fn with(options: &'static [&'static str], fault: Fault) -> Fault {
    Fault { options, ..fault }
}

impl Target {
    fn is(self, path: &str) -> bool {
        match self {
            Release => path.ends_with("/InRelease"),
            Index => path.contains("/binary-"),
            Deb => path.ends_with(".deb"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Release => "release",
            Index => "index",
            Deb => "deb",
        }
    }
}

/// More than what a socket takes at once.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let numbers = 0..400_000u32;
    let bytes = numbers.map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8);
    bytes.collect()
});

/// An archive of one large package.
fn archive() -> TestContext {
    let deb = DebBuilder::new("one", "1")
        .field("Essential", "yes")
        .field("Priority", "required")
        .file("usr/share/noise", NOISE.clone());
    TestContext::of(&FakeSuite::new("fake").with([deb]))
}

fn serve(root: PathBuf, target: Target, script: Script) -> Server {
    Server::start(move |asked| answer(&root, asked, target, script))
}

/// Serves a file below `root`, by the script if it is the target or a detour to it.
fn answer(root: &Path, asked: &Asked, target: Target, script: Script) -> Reply {
    let path = asked.target.trim_start_matches('/');
    let path = path.trim_start_matches("moved/");
    let Ok(content) = fs::read(root.join(path)) else {
        return Reply::status(404);
    };
    match target.is(&asked.target) {
        true => script(asked, &content),
        false => Reply::range(asked, &content),
    }
}

/// Runs the program against this mirror, with short timeouts and few tries.
fn run(context: &TestContext, mirror: &str, options: &[&str]) -> crate::context::Outcome {
    let mut command = context.command();
    command
        .args(["--download-only", "--variant=essential"])
        .env("RBOOTSTRAP_TRIES", "2")
        .args(["--timeout=0.6", "--mirror-wait=0"])
        .args(options)
        .arg("fake")
        .arg(context.root());
    outcome(command.arg(mirror))
}

impl Row for Fault {
    fn name(&self) -> String {
        format!("{}, {}", self.target.name(), self.name)
    }

    fn run(&self) {
        let context = archive();
        let root = context.archive.root.clone();
        let server = serve(root.clone(), self.target, self.script);
        let second = Mirror::start(root);
        let second_url = second.url();
        let mut options = self.options.to_vec();
        if self.has_second {
            options.extend(["--mirror", &second_url]);
        }
        let found = run(&context, &server.origin(), &options);
        found.fails(self.code).names(&[self.says]);
        context.assert_nothing_left();
        if self.has_second {
            assert!(!second.paths().is_empty(), "the second mirror was not used");
        }
        if self.code == 0 {
            // What arrived is right: a run without the server finds all packages in the cache.
            drop(server);
            context.mirror.clear_log();
            context.download(&["--variant=essential"]).ok();
            context.assert_no_deb_requested();
        }
    }
}
