//! The store against a server with faults, a shared cache and full disks.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use super::server::{Asked, Reply, Server, Then};
use super::*;
use crate::digest::{Algorithm, digest};
use crate::report::Event;

/// A store of a test's own, with what it said.
struct World {
    store: Store,
    said: std::sync::Arc<Mutex<Vec<String>>>,
    directory: tempfile::TempDir,
}

impl World {
    fn cached() -> World {
        let directory = tempfile::tempdir().unwrap();
        World::at(directory, true)
    }

    fn uncached() -> World {
        let directory = tempfile::tempdir().unwrap();
        World::at(directory, false)
    }

    fn at(directory: tempfile::TempDir, cached: bool) -> World {
        let said = std::sync::Arc::new(Mutex::new(Vec::new()));
        let store = open(directory.path(), cached, Duration::from_millis(300), Report::new(listener(&said)));
        World { store, said, directory }
    }

    fn cache(&self) -> std::path::PathBuf {
        self.directory.path().join("cache")
    }

    fn file(&self, wanted: &Wanted) -> Result<Vec<u8>, Error> {
        self.store.file(wanted, &drop).map(|v| content(&v))
    }

    /// Every file below the directory, by its path's last part.
    fn left(&self) -> Vec<String> {
        files(self.directory.path())
    }
}

fn listener(said: &std::sync::Arc<Mutex<Vec<String>>>) -> impl Fn(Event) + Send + Sync + 'static {
    let said = std::sync::Arc::clone(said);
    move |event| said.lock().unwrap().push(format!("{event:?}"))
}

pub(crate) fn open(directory: &Path, cached: bool, stall: Duration, report: Report) -> Store {
    let cache = cached.then(|| directory.join("cache"));
    let options = Options { cache, temporary: directory.to_owned(), stall, tries: 3 };
    Store::with(options, report, || http::builder().no_proxy(), Duration::from_millis(1)).unwrap()
}

pub(crate) fn wanted(urls: &[String], content: &[u8]) -> Wanted {
    let digest = digest(Algorithm::Sha256, content);
    Wanted { name: "thing 1.0 (all)".to_owned(), urls: urls.to_vec(), size: content.len() as u64, digest }
}

fn content(verified: &Verified) -> Vec<u8> {
    let mut found = Vec::new();
    verified.open().unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(found.len() as u64, verified.size());
    found
}

fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

/// Bytes that differ everywhere.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn faults_that_pass_are_outlived() {
    type Script = fn(&Asked, &[u8]) -> Reply;
    let whole = bytes(300_000);
    let cases: [(&str, usize, Script); 11] = [
        ("at once", 1, |_, c| Reply::of(c)),
        ("busy twice", 3, |a, c| if a.before < 2 { Reply::status(503) } else { Reply::of(c) }),
        ("asked to wait", 2, |a, c| if a.before < 1 { Reply::status(429).with("Retry-After", "0") } else { Reply::of(c) }),
        ("closed midway, no validator", 2, |a, c| if a.before < 1 { Reply::of(c).cut(9999, Then::Close) } else { Reply::of(c) }),
        ("closed midway, then the rest", 2, |a, c| {
            if a.before < 1 { Reply::ranged(a, c, "\"1\"").cut(9999, Then::Close) } else { Reply::ranged(a, c, "\"1\"") }
        }),
        ("reset before an answer", 2, |a, c| if a.before < 1 { Reply::of(c).cut(0, Then::Reset) } else { Reply::of(c) }),
        ("another version afterwards", 2, |a, c| {
            if a.before < 1 { Reply::ranged(a, &vec![7; c.len()], "\"1\"").cut(9999, Then::Close) } else { Reply::ranged(a, c, "\"2\"") }
        }),
        ("spliced from two versions", 3, |a, c| match a.before {
            0 => Reply::ranged(a, &vec![7; c.len()], "\"1\"").cut(9999, Then::Close),
            _ => Reply::ranged(a, c, "\"1\""),
        }),
        ("416", 3, |a, c| match a.before {
            0 => Reply::ranged(a, c, "\"1\"").cut(9999, Then::Close),
            1 => Reply::status(416),
            _ => Reply::of(c),
        }),
        ("another part than asked for", 3, |a, c| match a.before {
            0 => Reply::ranged(a, c, "\"1\"").cut(9999, Then::Close),
            1 => Reply { status: 206, ..Reply::of(&c[5..]) }.with("Content-Range", "bytes 5-299999/300000"),
            _ => Reply::of(c),
        }),
        ("ended early without a length", 2, |a, c| {
            Reply { length: None, ..Reply::of(c) }.cut(if a.before < 1 { 9999 } else { c.len() }, Then::Close)
        }),
    ];
    for (name, requests, script) in cases {
        let served = whole.clone();
        let server = Server::start(move |asked| script(asked, &served));
        let world = World::cached();
        let heard = std::cell::Cell::new(0);
        let wanted = wanted(&[server.url("a")], &whole);
        let verified = world.store.file(&wanted, &|by| heard.set(heard.get() + by)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(content(&verified) == whole, "{name}");
        assert_eq!(heard.get(), wanted.size, "{name}: each byte is heard of once");
        assert_eq!(server.asked().len(), requests, "{name}: {:?}", server.asked());
        assert_eq!(world.left(), [wanted.digest.hexadecimal()], "{name}");
    }
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let whole = bytes(300_000);
    let served = whole.clone();
    let server = Server::start(move |asked| {
        let reply = Reply::ranged(asked, &served, "\"v\"");
        if asked.before < 4 { reply.cut(50_000, Then::Close) } else { reply }
    });
    let world = World::cached();
    let mut store = world.store;
    store.tries = 9;
    assert!(content(&store.file(&wanted(&[server.url("a")], &whole), &drop).unwrap()) == whole);
    let offsets: Vec<_> = server.asked().iter().map(Asked::offset).collect();
    assert_eq!(offsets, [None, Some(50_000), Some(100_000), Some(150_000), Some(200_000)]);
    assert_eq!(server.asked()[1].header("if-range"), "\"v\"");
}

#[test]
fn faults_that_stay_are_told() {
    type Script = fn(&Asked, &[u8]) -> Reply;
    let whole = bytes(30_000);
    let cases: [(usize, &str, Script); 11] = [
        (1, "URL: 404 Not Found", |_, _| Reply::status(404)),
        (1, "URL: 410 Gone", |_, _| Reply::status(410)),
        (1, "URL: the server answered 403 Forbidden", |_, _| Reply::status(403)),
        (1, "URL: the server answered 401 Unauthorized", |_, _| Reply::status(401)),
        (3, "URL: the server answered 503 Service Unavailable", |_, _| Reply::status(503)),
        (1, "URL: thing 1.0 (all) should have 30000 bytes, but has 29999", |_, c| Reply::of(&c[1..])),
        (1, "URL: thing 1.0 (all) should have 30000 bytes, but has 30001", |_, c| Reply::of(&[c, b"x"].concat())),
        (3, "URL: ended after 10 of 30000 bytes", |_, c| Reply { length: None, ..Reply::of(&c[..10]) }.cut(10, Then::Close)),
        (3, "URL: no data for 0.3 s", |_, c| Reply::of(c).cut(10, Then::Hang)),
        (3, "URL: the connection broke off: ", |_, c| Reply::of(c).cut(10, Then::Close)),
        (1, "URL: thing 1.0 (all) should have SHA256:", |_, c| Reply::of(&vec![7; c.len()])),
    ];
    for (requests, message, script) in cases {
        let served = whole.clone();
        let server = Server::start(move |asked| script(asked, &served));
        let world = World::cached();
        let url = server.url("a");
        let error = world.file(&wanted(std::slice::from_ref(&url), &whole)).unwrap_err();
        let message = message.replace("URL", &url);
        assert!(told(&error).starts_with(&message), "{}", told(&error));
        assert_eq!(error.is_trust(), message.contains("should have"), "{message}");
        assert_eq!(server.asked().len(), requests, "{message}");
        assert_eq!(world.left(), Vec::<String>::new(), "{message}");
    }
}

#[test]
fn a_body_that_never_ends_is_cut_short() {
    let whole = bytes(10_000);
    let endless = bytes(5_000_000);
    let server = Server::start(move |_| Reply { length: None, ..Reply::of(&endless) }.cut(5_000_000, Then::Close));
    let error = World::cached().file(&wanted(&[server.url("a")], &whole)).unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { at_least: true, found, .. } if found < 5_000_000), "{error}");
}

#[test]
fn the_next_url_is_asked() {
    let whole = bytes(10_000);
    let served = whole.clone();
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/wrong" => Reply::of(&vec![1; served.len()]),
        "/short" => Reply::of(b""),
        "/good" => Reply::of(&served),
        _ => Reply::status(404),
    });
    let urls = |paths: &[&str]| paths.iter().map(|p| server.url(p)).collect::<Vec<_>>();
    let world = World::uncached();
    assert!(world.file(&wanted(&urls(&["none", "wrong", "short", "good"]), &whole)).unwrap() == whole);
    // The failure that says most is told, wherever it stood.
    for paths in [["wrong", "none"], ["none", "wrong"]] {
        let error = world.file(&wanted(&urls(&paths), &whole)).unwrap_err();
        assert!(matches!(&error, Error::DigestMismatch { url, .. } if url.ends_with("wrong")), "{error}");
    }
    assert!(matches!(world.file(&wanted(&[], &whole)), Err(Error::NoUrl { .. })));
    let mixed = ["ftp://h/x".to_owned(), server.url("good")];
    assert!(world.file(&wanted(&mixed, &whole)).unwrap() == whole);
}

#[test]
fn unreachable_hosts_are_told_from_unknown_ones() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://user:secret@{}/a", closed.local_addr().unwrap());
    drop(closed);
    let world = World::uncached();
    let error = world.file(&wanted(&[refused], b"x")).unwrap_err();
    assert!(matches!(error, Error::Refused { obstacle: Obstacle::Refused, .. }), "{error:?}");
    assert!(told(&error).contains("user:***@127.0.0.1") && !told(&error).contains("secret"), "{}", told(&error));
    assert_eq!(world.said.lock().unwrap().iter().filter(|s| s.contains("trying again")).count(), 2);
    let error = world.file(&wanted(&["http://no-such-host.invalid/a".to_owned()], b"x")).unwrap_err();
    assert!(matches!(error, Error::Refused { obstacle: Obstacle::Name | Obstacle::NameForNow, .. }), "{error:?}");
}

#[test]
fn redirects_are_followed() {
    let whole = bytes(10_000);
    let served = whole.clone();
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/old" => Reply::status(302).with("Location", "/new"),
        "/new" => Reply::of(&served),
        "/away" => Reply::status(301).with("Location", "ftp://h/x"),
        _ => Reply::status(302).with("Location", "/round"),
    });
    let world = World::uncached();
    assert!(world.file(&wanted(&[server.url("old")], &whole)).unwrap() == whole);
    let error = world.file(&wanted(&[server.url("round")], &whole)).unwrap_err();
    assert!(told(&error).ends_with("a redirect is not followed: there are too many"), "{}", told(&error));
    assert!(world.file(&wanted(&[server.url("away")], &whole)).is_err());
}

#[test]
fn connections_are_kept_and_paths_encoded() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/close" => Reply::of(b"x").cut(1, Then::Close),
        _ => Reply::of(b"x"),
    });
    let world = World::uncached();
    let authority = server.url("").replace("http://", "http://me:p%40ss@");
    for url in [server.url("g++~1"), format!("{authority}b"), server.url("close"), server.url("c")] {
        assert_eq!(world.file(&wanted(&[url], b"x")).unwrap(), b"x");
    }
    let asked = server.asked();
    assert_eq!(asked[0].target, "/g%2b%2b%7e1");
    assert_eq!(asked[0].header("user-agent"), concat!("rbootstrap/", env!("CARGO_PKG_VERSION")));
    assert_eq!(asked[0].header("accept-encoding"), "");
    assert_eq!(asked[1].header("authorization"), "Basic bWU6cEBzcw==");
    assert_eq!(asked.iter().map(|a| a.connection).collect::<Vec<_>>(), [0, 0, 0, 1]);
}

#[test]
fn small_files_are_read_with_a_limit() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/InRelease" if asked.before == 0 => Reply::status(502),
        "/InRelease" => Reply::of(b"Origin: x"),
        "/long" => Reply::of(&[0; 100]),
        "/unsized" => Reply { length: None, ..Reply::of(&[0; 100]) }.cut(100, Then::Close),
        _ => Reply::status(404),
    });
    let world = World::cached();
    let urls = [server.url("none"), server.url("InRelease")];
    assert_eq!(world.store.read(&urls, 9).unwrap(), (server.url("InRelease"), b"Origin: x".to_vec()));
    assert!(server.asked().iter().all(|a| a.header("cache-control") == "max-age=0"));
    for url in ["long", "unsized"] {
        assert!(matches!(world.store.read(&[server.url(url)], 99), Err(Error::TooLarge { limit: 99, .. })));
        assert_eq!(world.store.read(&[server.url(url)], 100).unwrap().1.len(), 100);
    }
    assert!(matches!(world.store.read(&[server.url("none")], 9), Err(Error::Missing { .. })));
    assert!(matches!(world.store.read(&[], 9), Err(Error::NoUrl { .. })));
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn what_is_cached_is_not_asked_for_but_is_verified() {
    let whole = bytes(200_000);
    let served = whole.clone();
    let server = Server::start(move |_| Reply::of(&served));
    let wanted = wanted(&[server.url("a")], &whole);
    let world = World::cached();
    let name = wanted.digest.hexadecimal();
    let path = world.cache().join("SHA256").join(&name[..2]).join(&name);
    let first = world.store.file(&wanted, &drop).unwrap();
    assert!(world.file(&wanted).unwrap() == whole);
    assert_eq!(server.asked().len(), 1);

    let mut wrong = whole.clone();
    wrong[100_000] ^= 1;
    let spoil: [&dyn Fn(); 5] = [
        &|| fs::write(&path, &wrong).unwrap(),
        &|| fs::write(&path, b"short").unwrap(),
        &|| fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap(),
        &|| {
            fs::rename(&path, world.directory.path().join("elsewhere")).unwrap();
            std::os::unix::fs::symlink(world.directory.path().join("elsewhere"), &path).unwrap();
        },
        &|| {
            fs::remove_file(&path).unwrap();
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        },
    ];
    for (at, spoil) in spoil.iter().enumerate() {
        spoil();
        assert!(first.open().is_err(), "{at}: a file that changed is not handed out");
        assert!(world.file(&wanted).unwrap() == whole, "{at}");
        assert_eq!(server.asked().len(), at + 2, "{at}");
        assert_eq!(world.said.lock().unwrap().iter().filter(|s| s.starts_with("Warning")).count(), at + 1);
        assert!(fs::read(&path).unwrap() == whole && first.open().is_ok(), "{at}: its equal is");
    }
}

#[test]
fn runs_share_a_cache() {
    let whole = bytes(400_000);
    let served = whole.clone();
    let gate = std::sync::Barrier::new(4);
    let server = Server::start(move |_| {
        // Nobody is answered before all have asked.
        gate.wait();
        Reply::of(&served)
    });
    let directory = tempfile::tempdir().unwrap();
    let wanted = wanted(&[server.url("a")], &whole);
    thread::scope(|scope| {
        for _ in 0..4 {
            let run = || open(directory.path(), true, Duration::from_secs(30), Report::silent()).file(&wanted, &drop).map(|v| content(&v));
            scope.spawn(move || assert!(run().unwrap() == whole_of(400_000)));
        }
    });
    assert_eq!(server.asked().len(), 4);
    assert_eq!(files(directory.path()), [wanted.digest.hexadecimal()]);
}

fn whole_of(length: usize) -> Vec<u8> {
    bytes(length)
}

#[test]
fn leftovers_are_swept_by_age() {
    let directory = tempfile::tempdir().unwrap();
    let partial = directory.path().join("cache/partial");
    fs::create_dir_all(&partial).unwrap();
    for (name, hours) in [("old", 25), ("new", 23)] {
        let file = fs::File::create(partial.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    let world = World::at(directory, true);
    assert_eq!(world.left(), ["new"]);
}

#[test]
fn without_a_cache_nothing_has_a_name_and_many_files_fit() {
    let server = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let world = World::uncached();
    let mut all = Vec::new();
    for number in 0..400 {
        let path = format!("{number}");
        let wanted = wanted(&[server.url(&path)], format!("/{path}").as_bytes());
        all.push(world.store.file(&wanted, &drop).unwrap());
        if number == 200 {
            assert_eq!(world.left(), Vec::<String>::new());
        }
    }
    assert!(world.left().len() < 200);
    for (number, verified) in all.iter().enumerate() {
        let (mut one, mut two) = (verified.open().unwrap(), verified.open().unwrap());
        let mut found = String::new();
        one.read_to_string(&mut found).unwrap();
        two.read_to_string(&mut found).unwrap();
        assert_eq!(found, format!("/{number}/{number}"), "readers have offsets of their own");
    }
    drop(all);
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn file_urls_are_verified_where_they_are() {
    let world = World::cached();
    let whole = bytes(100_000);
    let path = world.directory.path().join("a~b c");
    fs::write(&path, &whole).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    let good = wanted(std::slice::from_ref(&url), &whole);
    let verified = world.store.file(&good, &drop).unwrap();
    assert!(content(&verified) == whole);
    assert_eq!(world.left(), ["a~b c"], "no copy is made");
    fs::write(&path, b"changed").unwrap();
    assert!(verified.open().is_err());
    assert!(matches!(world.file(&good), Err(Error::SizeMismatch { .. })));
    fs::write(&path, vec![0; whole.len()]).unwrap();
    assert!(matches!(world.file(&good), Err(Error::DigestMismatch { .. })));

    fs::write(&path, &whole).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let copied = world.store.file(&good, &drop).unwrap();
    fs::write(&path, b"changed").unwrap();
    assert!(content(&copied) == whole, "what others can change is copied");

    assert_eq!(world.store.read(&[url], 10).unwrap().1, b"changed");
    let missing = ["file:///no/such/file".to_owned()];
    assert!(matches!(world.store.read(&missing, 10), Err(Error::Missing { .. })));
    assert!(matches!(world.file(&wanted(&missing, b"x")), Err(Error::Missing { .. })));
    assert!(matches!(world.store.read(&["file:///dev/zero".to_owned()], 10), Err(Error::Unreadable { .. })));
}

#[test]
fn cancelling_ends_what_is_under_way() {
    let whole = bytes(10_000);
    let served = whole.clone();
    type Script = fn(&[u8]) -> Reply;
    let cases: [Script; 3] = [
        |c| Reply::of(c).cut(10, Then::Hang),
        |_| Reply::status(503).with("Retry-After", "1000"),
        |c| Reply { length: None, ..Reply::of(c) }.cut(10, Then::Hang),
    ];
    for script in cases {
        let served = served.clone();
        let server = Server::start(move |_| script(&served));
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path(), true, Duration::from_secs(600), Report::silent());
        let wanted = wanted(&[server.url("a"), server.url("b")], &whole);
        thread::scope(|scope| {
            let under_way = scope.spawn(|| store.file(&wanted, &drop));
            server.answered.recv().unwrap();
            store.cancel();
            assert!(matches!(under_way.join().unwrap(), Err(Error::Cancelled)));
        });
        assert!(matches!(store.file(&wanted, &drop), Err(Error::Cancelled)));
        assert!(matches!(store.read(&wanted.urls, 1), Err(Error::Cancelled)));
        assert_eq!(files(directory.path()), Vec::<String>::new());
    }
}

#[test]
fn slow_drips_count_as_stalls() {
    let mut pace = http::Pace::default();
    let (second, window) = (Duration::from_secs(1), Duration::from_secs(60));
    assert!((0..59).all(|_| !pace.is_too_slow(second, 1000, window)));
    assert!(pace.is_too_slow(second, 1000, window));
    assert!((0..600).all(|_| !pace.is_too_slow(second, 1100, window)));
}

#[test]
fn a_full_disk_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| Command::new(arguments[0]).args(&arguments[1..]).arg(directory.path()).status();
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "none"]).is_ok_and(|s| s.success()) {
        writeln_skipped("a_full_disk_is_named: needs root and a tmpfs");
        return;
    }
    let whole = bytes(1_000_000);
    let served = whole.clone();
    let server = Server::start(move |_| Reply::of(&served));
    let store = open(directory.path(), true, Duration::from_secs(30), Report::silent());
    let error = store.file(&wanted(&[server.url("a"), server.url("b")], &whole), &drop).unwrap_err();
    let left = files(directory.path());
    assert!(mount(&["umount"]).unwrap().success());
    assert!(error.is_disk() && told(&error).contains("No space left on device"), "{}", told(&error));
    assert_eq!((server.asked().len(), left), (1, Vec::new()));
}

fn writeln_skipped(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

#[test]
fn proxies_of_the_environment_are_used() {
    const CHILD: &str = "RBOOTSTRAP_TEST_PROXY_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { cache: None, temporary: directory.path().to_owned(), stall: Duration::from_secs(30), tries: 1 };
        let store = Store::open(options, Report::silent()).unwrap();
        let (_, content) = store.read(&["http://mirror.invalid/g++".to_owned()], 100).unwrap();
        assert_eq!(content, b"http://mirror.invalid/g%2b%2b");
        return;
    }
    let proxy = Server::start(|asked| Reply::of(asked.target.as_bytes()));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::proxies_of_the_environment_are_used"])
        .env(CHILD, "1")
        .env("http_proxy", proxy.url("").replace("http://", "http://me:word@"))
        .env_remove("HTTP_PROXY")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(proxy.asked()[0].header("proxy-authorization"), "Basic bWU6d29yZA==");
}
