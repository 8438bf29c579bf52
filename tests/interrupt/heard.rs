//! How soon SIGINT is heard in the middle of long work: bombs, large indexes and packages, scripts,
//! large trees and images.
//!
//! Each case is first run to its end, or for a while, and then again with a signal at several
//! moments of that time. The table that is printed has the longest time from a signal until the
//! work has stopped, where the removal of a tree begins, and the longest until the end.
//! The times depend on the machine, so a test only fails if a run does not end at all. On an idle
//! machine, `RBOOTSTRAP_TEST_STOPPED_WITHIN=1` also demands that work stops within a second, and
//! `RBOOTSTRAP_TEST_PROGRAM=target/release/rbootstrap` measures another build.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rbootstrap::testing::tar::file;
use rbootstrap::testing::tree::names;
use rbootstrap::testing::{Compression, DebBuilder, FakeSuite, base, host_architecture};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::{TestContext, suite};
use crate::hostile::indexes;

/// A run that goes on for longer than this after a signal does not end.
const END_BOUND: Duration = Duration::from_secs(120);

/// A case that would take longer is interrupted within this time.
const LONGEST: Duration = Duration::from_secs(6);

/// When the signals come, in parts of the time that a whole run takes.
const MOMENTS: [f64; 4] = [0.15, 0.4, 0.65, 0.9];

/// How often the first moment is halved if every run had ended before its signal.
const EARLIER: u32 = 8;

/// Cases that were tried, and those that went wrong.
#[derive(Default)]
struct Table {
    rows: usize,
    wrong: Vec<String>,
}

impl Table {
    /// Interrupts a run with these arguments at every moment.
    fn row(&mut self, name: &str, context: &TestContext, arguments: &[&str]) {
        let first = timed(context, arguments, LONGEST);
        let whole = first.length;
        let mut own_code = first.code.filter(|code| *code != 130);
        let mut heard = Vec::new();
        let moments = MOMENTS.map(|moment| whole.mul_f64(moment));
        // On a busy machine the first run may have taken much longer than the others.
        let earlier = (1..=EARLIER).map(|halvings| moments[0] / 2_u32.pow(halvings));
        for (number, after) in moments.into_iter().chain(earlier).enumerate() {
            if number >= MOMENTS.len() && !heard.is_empty() {
                break;
            }
            let timed = timed(context, arguments, after);
            match timed.code {
                Some(130) => heard.push(timed),
                // It has ended before the signal.
                Some(code) if *own_code.get_or_insert(code) == code => {}
                Some(code) => self.wrong.push(format!("{name}: code {code}")),
                None => self.wrong.push(format!("{name}: does not end")),
            }
        }
        self.rows += 1;
        let stopped = heard.iter().map(|timed| timed.stopped).max();
        let ended = heard.iter().map(|timed| timed.ended).max();
        let Some((stopped, ended)) = stopped.zip(ended) else {
            self.wrong.push(format!("{name}: no signal came in time"));
            return;
        };
        let count = heard.len();
        println!(
            "stopped {:5} ms, ended {:5} ms  {name}: {count} signals in {whole:.1?}",
            stopped.as_millis(),
            ended.as_millis()
        );
        if stopped_bound().is_some_and(|bound| stopped > bound) {
            self.wrong
                .push(format!("{name}: stopped after {stopped:?}"));
        }
    }

    fn end(self) {
        println!("{} cases, {} failed", self.rows, self.wrong.len());
        assert!(self.rows > 0 && self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}

/// The longest time that `RBOOTSTRAP_TEST_STOPPED_WITHIN` allows from a signal until the work has
/// stopped, in seconds.
fn stopped_bound() -> Option<Duration> {
    let seconds = std::env::var("RBOOTSTRAP_TEST_STOPPED_WITHIN").ok()?;
    Some(Duration::from_secs_f64(seconds.parse().unwrap()))
}

/// What became of a run.
struct Timed {
    code: Option<i32>,
    /// From its start to an end of its own, or to the signal.
    length: Duration,
    /// From the signal until the work has stopped.
    stopped: Duration,
    /// From the signal to the end.
    ended: Duration,
}

/// Runs the program over an empty cache and sends SIGINT after this time.
fn timed(context: &TestContext, arguments: &[&str], after: Duration) -> Timed {
    for path in ["cache", "state", "home"] {
        remove(&context.path(path));
    }
    fs::create_dir(context.path("home")).unwrap();
    let mut command = match arguments.first() {
        Some(&"pack") => context.program(),
        _ => context.command(),
    };
    command.args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let removal = watch_removal(&mut child);
    let mut code = wait(&mut child, after);
    let length = start.elapsed();
    let signal = Instant::now();
    if code.is_none() {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        code = wait(&mut child, END_BOUND);
    }
    let ended = signal.elapsed();
    if code.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let removal = removal.join().unwrap();
    if code == Some(130) {
        context.assert_nothing_left();
        assert_eq!(names(&context.path("home")), [""; 0]);
    }
    remove(&context.root());
    Timed {
        code,
        length,
        stopped: removal.map_or(ended, |at| at.saturating_duration_since(signal)),
        ended,
    }
}

/// Reads the messages. Returns when the removal of the tree began.
fn watch_removal(child: &mut Child) -> JoinHandle<Option<Instant>> {
    let messages = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut began = None;
        for line in messages.split(b'\n') {
            if line.unwrap().starts_with(b"interrupted: removing ") {
                began.get_or_insert_with(Instant::now);
            }
        }
        began
    })
}

/// Waits for the end of a process, at most this long.
fn wait(child: &mut Child, longest: Duration) -> Option<i32> {
    let end = Instant::now() + longest;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            // A signal before the handler is there ends it, too.
            return Some(
                status
                    .code()
                    .unwrap_or_else(|| 128 + status.signal().unwrap()),
            );
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn remove(path: &Path) {
    let mut command = std::process::Command::new("rm");
    let removed = command
        .args(["-rf", "--one-file-system"])
        .arg(path)
        .status();
    assert!(removed.unwrap().success());
}

/// Indexes that cost much, refused or not.
#[test]
#[ignore = "needs time"]
fn while_indexes_are_read_and_packages_chosen() {
    let context = TestContext::bare();
    let name = format!("main/binary-{}/Packages", host_architecture());
    let url = context.mirror.url();
    let mut table = Table::default();
    let mut rows = Vec::new();
    for row in indexes::rows() {
        rows.push((
            row.name.to_owned(),
            Compression::Zstd,
            row.text,
            row.options,
        ));
    }
    let zeros = "\0".repeat(256 << 20);
    let options: &[&str] = &["--variant=custom", "--include=p0"];
    for (name, compression) in [
        ("zeros in xz", Compression::Xz),
        ("zeros in gzip", Compression::Gzip),
    ] {
        rows.push((name.to_owned(), compression, zeros.clone(), options));
    }
    rows.push((
        "a large index".to_owned(),
        Compression::Xz,
        large(),
        options,
    ));
    rows.push((
        "long Provides".to_owned(),
        Compression::Zstd,
        provides(),
        options,
    ));
    for (row, compression, text, options) in rows {
        let published = FakeSuite {
            compressions: vec![compression],
            ..suite([])
        };
        context.archive.publish_text(&published, &name, &text);
        let mut arguments = vec!["--print-debs"];
        arguments.extend(options);
        arguments.extend(["fake", "root", &url]);
        table.row(&row, &context, &arguments);
    }
    table.end();
}

/// Twice as many packages as Debian has, most of which are chosen.
fn large() -> String {
    let mut text = String::new();
    let digest = "0".repeat(64);
    for number in 0..130_000 {
        let mut depends = Vec::new();
        for step in 1..8 {
            depends.push(format!(
                "p{} (>= 0.{step}) | q{number}",
                (number * 7 + step) % 130_000
            ));
        }
        text += &format!(
            "Package: p{number}\nVersion: 1\nArchitecture: all\nFilename: p{number}.deb\n\
             Size: 100\nSHA256: {digest}\nDepends: {}\nDescription: {}\n\n",
            depends.join(", "),
            "many words ".repeat(20)
        );
    }
    text
}

/// Packages that provide many names with versions, each needed by one package.
fn provides() -> String {
    let mut text = String::new();
    for package in 0..40 {
        let names: Vec<String> = (0..20_000)
            .map(|name| format!("v{name} (= {package})"))
            .collect();
        let fields = format!(
            "Provides: {}\nDepends: v{package} (>= 3)\n",
            names.join(", ")
        );
        text += &format!("Package: p{package}\nVersion: 1\nArchitecture: all\n{fields}\n");
    }
    text
}

/// Packages that are large, by bytes or by files.
#[test]
#[ignore = "needs root, time"]
fn while_packages_are_fetched_and_unpacked() {
    let mut table = Table::default();
    let size = 512 << 20;
    for compression in [
        Compression::None,
        Compression::Gzip,
        Compression::Xz,
        Compression::Zstd,
    ] {
        let deb = DebBuilder::new("large", "1")
            .field("Installed-Size", &(size >> 10).to_string())
            .compressed(Compression::Gzip, compression)
            .file("usr/share/large", vec![0; size]);
        let name = format!("a file of 512 MiB in {compression:?}");
        unpack(&mut table, &name, deb);
    }
    let mut deb = DebBuilder::new("many", "1").field("Installed-Size", "600000");
    for number in 0..100_000 {
        deb = deb.entry(file(
            format!("usr/share/many/{}/{number}", number % 100),
            "x",
        ));
    }
    unpack(
        &mut table,
        "100000 files",
        deb.compressed(Compression::Gzip, Compression::Zstd),
    );
    let mut deb = DebBuilder::new("deep", "1").field("Installed-Size", "600000");
    let deep = "d/".repeat(1900);
    for number in 0..500 {
        deb = deb.entry(file(format!("usr/share/{number}/{deep}x"), ""));
    }
    unpack(&mut table, "500 paths of 1900 directories", deb);
    table.end();
}

fn unpack(table: &mut Table, name: &str, deb: DebBuilder) {
    let include = format!("--include={}", deb.name);
    let context = TestContext::new([deb]);
    let url = context.mirror.url();
    table.row(
        name,
        &context,
        &["--variant=extract", &include, "fake", "root", &url],
    );
}

/// Scripts that take long, and what they have made is removed.
#[test]
#[ignore = "needs root, dpkg, time"]
fn while_scripts_run() {
    let many = "cd /usr/share; i=0; while [ $i -lt 400 ]; do mkdir $i; cd $i; \
                j=0; while [ $j -lt 150 ]; do : >$j; j=$((j+1)); done; cd ..; i=$((i+1)); done";
    let deep = "cd /usr/share; i=0; while [ $i -lt 3000 ]; do mkdir d; cd -P d 2>/dev/null || break; \
                i=$((i+1)); done";
    let rows = [
        ("sleep", "sleep 1000"),
        (
            "a deaf script",
            "trap '' INT TERM HUP; while :; do sleep 1000; done",
        ),
        ("a busy loop", "while :; do :; done"),
        (
            "a flood",
            "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done",
        ),
        ("turns", "while :; do echo 'Setting up you (1) ...'; done"),
        (
            "many processes",
            "i=0; while [ $i -lt 3000 ]; do sleep 1000 & i=$((i+1)); done; wait",
        ),
        ("60000 new files", &format!("{many}; sleep 1000")),
        ("a deep tree", &format!("{deep}; sleep 1000")),
        (
            "a file of 1 GiB",
            "head -c 1073741824 /dev/zero >/usr/share/large; sleep 1000",
        ),
    ];
    let mut table = Table::default();
    for (name, body) in rows {
        let context = TestContext::new([DebBuilder::new("slow", "1").script("postinst", body)]);
        let url = context.mirror.url();
        let arguments = [
            "--variant=essential",
            "--include=slow",
            "fake",
            "root",
            &url,
        ];
        table.row(name, &context, &arguments);
    }
    table.end();
}

/// Images of a large tree.
#[test]
#[ignore = "needs root, time"]
fn while_images_are_written() {
    let context = TestContext::bare();
    let tree = context.path("place");
    for number in 0..300 {
        let directory = tree.join(number.to_string());
        fs::create_dir_all(&directory).unwrap();
        for name in 0..200 {
            fs::write(
                directory.join(name.to_string()),
                format!("{name}").repeat(500),
            )
            .unwrap();
        }
    }
    let program = base::program("tar").unwrap().content;
    fs::write(
        tree.join("large"),
        program.repeat((512 << 20) / program.len()),
    )
    .unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(1 << 31).unwrap();
    let mut table = Table::default();
    for ending in ["tar", "tar.gz", "tar.xz", "tar.zst"] {
        let image = format!("home/image.{ending}");
        table.row(ending, &context, &["pack", "place", &image]);
    }
    table.end();
}
