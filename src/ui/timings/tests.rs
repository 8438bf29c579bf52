//! The page as a whole: every package and step is on it, names are escaped, and nothing outside is asked for.

use super::*;

fn steps(began: Instant, lines: &[(&str, Stage, u64, u64)]) -> Vec<Span> {
    let at = |milliseconds| began + Duration::from_millis(milliseconds);
    lines
        .iter()
        .map(|&(item, stage, from, to)| Span {
            stage,
            item: item.into(),
            from: at(from),
            to: at(to),
        })
        .collect()
}

fn page_of(lines: &[(&str, Stage, u64, u64)]) -> String {
    let began = Instant::now();
    page(&TimedRun {
        title: "rbootstrap <noble>".into(),
        began,
        took: Duration::from_millis(200),
        jobs: 2,
        spans: steps(began, lines),
        failure: None,
    })
}

fn sample() -> String {
    page_of(&[
        ("noble main/binary-amd64/Packages.xz", Stage::Indexes, 0, 20),
        ("plan", Stage::Plan, 20, 22),
        ("bash 5.2-1 (amd64)", Stage::Download, 22, 40),
        ("bash", Stage::Decode, 40, 70),
        ("bash", Stage::Unpack, 70, 75),
        ("bash:amd64", Stage::Configure, 80, 90),
        ("libc-bin", Stage::Configure, 90, 95),
        ("image", Stage::Pack, 95, 180),
    ])
}

/// What is between each `open` and the next `close`.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Vec<&'t str> {
    text.split(open)
        .skip(1)
        .map(|rest| rest.split(close).next().unwrap_or_default())
        .collect()
}

#[test]
fn every_package_has_a_row_with_all_its_steps() {
    let page = sample();
    let rows: Vec<(&str, usize)> =
        between(&page, "<div class=row data-name='", "</div></div></div>")
            .into_iter()
            .map(|row| {
                (
                    row.split('\'').next().unwrap_or_default(),
                    row.matches("<i class='b ").count(),
                )
            })
            .collect();
    assert_eq!(
        rows,
        [
            ("noble main/binary-amd64/Packages.xz", 1),
            ("plan", 1),
            ("bash", 4),
            ("libc-bin", 1),
            ("image", 1)
        ]
    );
    assert_eq!(
        between(&page, "<tr><td data-v='", "'"),
        ["bash", "libc-bin"],
        "only packages are in the table, the slowest first"
    );
    assert!(page.contains("<b>0.20 s</b><small>2 packages, 2 threads</small>"));
}

#[test]
fn what_the_end_waited_for_is_framed_and_the_rest_is_named() {
    let page = page_of(&[
        ("a 1 (all)", Stage::Download, 0, 50),
        ("b 1 (all)", Stage::Download, 0, 10),
        ("b", Stage::Decode, 10, 20),
        ("a", Stage::Decode, 50, 90),
        ("a", Stage::Unpack, 100, 200),
    ]);
    let framed = between(&page, "<div class=row data-name='", "</div></div></div>")
        .into_iter()
        .filter(|row| row.contains("waited"))
        .count();
    assert_eq!(framed, 1);
    assert!(page.contains("none of these<td><td>10 ms<td>5 %"));
    assert!(page.contains("\"path\":[0,3,4]"));
}

#[test]
fn a_name_ends_neither_an_attribute_nor_the_script() {
    let hostile = "x'\"></script><script>alert(1)</script>&";
    let page = page_of(&[
        (hostile, Stage::Indexes, 0, 50),
        (hostile, Stage::Unpack, 60, 70),
    ]);
    assert!(!page.contains("alert(1)</script>") && !page.contains("<script>alert"));
    assert!(page.contains(
        "data-name='x&#39;&quot;&gt;&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;'"
    ));
    assert!(page.contains("rbootstrap &lt;noble&gt;") && !page.contains("rbootstrap <noble>"));
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "the data and the script"
    );
}

#[test]
fn nothing_outside_is_asked_for() {
    let page = sample();
    for reference in [
        "http:",
        "https:",
        "//",
        "src=",
        "href=",
        "url(",
        "@import",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ] {
        let found = page
            .match_indices(reference)
            .filter(|(at, _)| !page[..*at].ends_with([' ', '\n']) || reference != "//");
        assert_eq!(found.count(), 0, "{reference}");
    }
}

#[test]
fn tags_are_closed_in_their_order() {
    const WITHOUT_END: [&str; 8] = [
        "!DOCTYPE", "meta", "input", "tr", "th", "td", "option", "path",
    ];
    let page = sample();
    let mut open: Vec<&str> = Vec::new();
    let markup = page.split("<script").next().unwrap_or_default();
    let style_ends = markup.rfind("</style>").unwrap_or_default();
    for tag in between(&markup[style_ends..], "<", ">").into_iter().skip(1) {
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap_or_default();
        if WITHOUT_END.contains(&name) || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') && name != "head" {
            assert_eq!(open.pop(), Some(name), "in {tag}");
        } else if !tag.starts_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, ["body"]);
}

#[test]
fn a_run_without_a_step_has_a_page_too() {
    let page = page_of(&[]);
    assert!(page.contains("none of these<td><td>200 ms<td>100 %") && page.ends_with("</html>\n"));
}
