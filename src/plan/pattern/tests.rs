use super::*;
use crate::interrupt::Interrupt;
use crate::plan::pool::Pool;
use crate::plan::work::Work;
use crate::testing::listing::{TestRelease, index};

/// The packages of two suites, as `name:architecture` for foreign ones.
fn matched(text: &str) -> Result<String, PatternError> {
    let mut stable = TestRelease::new("trixie", "amd64");
    stable.suite = Some("stable".to_owned());
    stable.codename = Some("trixie".to_owned());
    let mut security = TestRelease::new("trixie-security", "amd64");
    security.suite = Some("stable-security".to_owned());
    security.codename = Some("trixie-security".to_owned());
    let main = "Package: base\nVersion: 1\nArchitecture: amd64\nEssential: yes\nPriority: required\n\
                Section: admin\n\n\
                Package: vim\nVersion: 2:9.1-1\nArchitecture: amd64\nPriority: optional\n\
                Section: editors\nDepends: libx (>= 1), base | other\nProvides: editor\n\n\
                Package: libx\nVersion: 1.0\nArchitecture: amd64\nPriority: optional\nSection: libs\n\
                Source: x-source (7.5)\nRecommends: vim\nTask: big, small\n\n";
    let foreign = "Package: libx\nVersion: 1.0\nArchitecture: i386\nPriority: optional\nSection: libs\n\
                   Source: x-source (7.5)\n\n";
    let newer = "Package: libx\nVersion: 1.1\nArchitecture: amd64\nPriority: optional\nSection: libs\n\
                 Source: x-source\n\n";
    let index = index(vec![
        stable.clone().listing("amd64", main.to_owned()),
        stable.listing("i386", foreign.to_owned()),
        security.listing("amd64", newer.to_owned()),
    ]);
    let architectures = ["amd64".to_owned(), "i386".to_owned()];
    let mut pool = Pool::new(&architectures, Work::new(Interrupt::default()));
    pool.read(&index, "trixie");
    let mut names = Vec::new();
    for package in matching_packages(&pool, &parse(text)?) {
        names.push(pool.full_name(package));
    }
    Ok(names.join(" "))
}

#[test]
fn patterns_hold_for_what_apt_says() {
    let rows = [
        ("?essential", "base"),
        ("~E", "base"),
        ("?priority(required)", "base"),
        ("?priority(requ)", ""),
        ("?section(^libs$)", "libx libx:i386"),
        ("~slibs ?architecture(amd64)", "libx"),
        ("?and(?section(libs), ?architecture(native))", "libx"),
        ("?architecture(i386)", "libx:i386"),
        ("?architecture(any-i386)", "libx:i386"),
        ("?name(^LIB)", "libx libx:i386"),
        ("?exact-name(vim)", "vim"),
        ("?x-name-fnmatch(v*m)", "vim"),
        ("?version(^2:)", "vim"),
        ("?archive(^stable$)", "base vim libx libx:i386"),
        ("?archive(-security$)", "libx"),
        ("?codename(trixie-security)", "libx"),
        ("?narrow(?archive(^stable$), ?version(^1.1$))", ""),
        ("?and(?archive(^stable$), ?version(^1.1$))", "libx"),
        ("?all-versions(?archive(^stable$))~slibs", "libx:i386"),
        ("?any-version(?version(^1.1$))", "libx"),
        ("?security", "libx"),
        ("?source-package(^x-source$)", "libx libx:i386"),
        ("?source-version(^7.5$)", "libx libx:i386"),
        ("?source-version(^1.1$)", "libx"),
        ("?depends(?exact-name(libx))", "vim"),
        ("~D~nother", "vim"),
        ("?recommends(~nvim)", "libx"),
        ("?reverse-depends(?exact-name(vim))", "base libx other"),
        ("~RRecommends:~nlibx", "vim"),
        ("?virtual", "other editor"),
        ("~v", "other editor"),
        ("?not(?virtual) !~slibs", "base vim"),
        ("~nvim|?essential", "base vim"),
        ("(~nvim | ~E) !~E", "vim"),
        ("?or(~nvim,?essential,)", "base vim"),
        ("?name(\"vim\")", "vim"),
        ("?installed", ""),
        ("?true ~slibs", "libx libx:i386"),
    ];
    for (text, expected) in &rows {
        assert_eq!(matched(text).unwrap(), *expected, "{text}");
    }
    assert_eq!(rows.len(), 38);
}

#[test]
fn what_is_no_pattern_is_refused_with_what_is_wrong() {
    let rows = [
        ("?", "expected a name after ? at `?`"),
        ("?nope", "there is no pattern `?nope`"),
        ("~q", "there is no pattern `~q`"),
        ("?essential()", "`?essential` takes no arguments"),
        ("?name", "`?name` takes one word"),
        ("?name(?true)", "`?name` takes one word"),
        ("?not(?true,?true)", "`?not` takes one pattern"),
        ("?and", "`?and` takes patterns in brackets"),
        ("?or(word)", "expected a pattern at `word`"),
        (
            "?name(x",
            "expected a comma or a closing bracket at `its end`",
        ),
        ("?true word", "expected the end at `word`"),
        ("~T|", "expected a pattern after | at `its end`"),
        ("!", "expected a pattern after ! at `its end`"),
        ("(?true", "expected a closing bracket at `its end`"),
        ("?name(\"x", "expected a closing quote at `\"x`"),
    ];
    for (text, expected) in &rows {
        assert_eq!(parse(text).unwrap_err().to_string(), *expected, "{text}");
    }
    let deep = "(".repeat(10_000);
    let error = parse(&deep).unwrap_err().to_string();
    assert!(error.starts_with("expected fewer brackets"), "{error}");
    let regex = parse("?name(a[)").unwrap_err().to_string();
    assert!(regex.contains("is not a regular expression"), "{regex}");
}
