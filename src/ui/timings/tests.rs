//! The data of the page, and that nothing in it can break out of it or ask for anything.

use serde_json::{Value, json};

use super::*;

fn run(lines: &[(&str, Stage, u64, u64)]) -> TimedRun {
    let began = Instant::now();
    let at = |milliseconds| began + Duration::from_millis(milliseconds);
    let mut spans = Vec::new();
    for &(item, stage, from, to) in lines {
        spans.push(Span {
            stage,
            item: item.into(),
            from: at(from),
            to: at(to),
        });
    }
    TimedRun {
        title: "rbootstrap noble".into(),
        began,
        took: Duration::from_millis(200),
        jobs: 2,
        spans,
        failure: None,
    }
}

/// The data in a page, as its script reads it.
fn data(page: &str) -> Value {
    let begin = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = page.split_once(begin).unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn every_span_is_in_the_data_in_the_order_of_time() {
    let page = page(&run(&[
        ("bash", Stage::Decode, 40, 70),
        ("noble main/binary-amd64/Packages.xz", Stage::Indexes, 0, 20),
        ("bash 5.2-1 (amd64)", Stage::Download, 22, 40),
        ("bash:amd64", Stage::Configure, 80, 90),
        ("image", Stage::Pack, 95, 180),
    ]));
    let span = |stage: &str, item: &str, row: &str, time: [f64; 2]| {
        let [from, to] = time;
        json!({"stage": stage, "item": item, "row": row, "from": from, "to": to})
    };
    let index = "noble main/binary-amd64/Packages.xz";
    let expected = json!({
        "title": "rbootstrap noble",
        "failure": null,
        "took": 200.0,
        "jobs": 2,
        "spans": [
            span("indexes", index, index, [0.0, 20.0]),
            span("download", "bash 5.2-1 (amd64)", "bash", [22.0, 40.0]),
            span("decode", "bash", "bash", [40.0, 70.0]),
            span("configure", "bash:amd64", "bash", [80.0, 90.0]),
            span("pack", "image", "image", [95.0, 180.0]),
        ],
        "path": [{"span": 3, "from": 80.0}, {"span": 4, "from": 95.0}],
    });
    assert_eq!(data(&page), expected);
}

#[test]
fn a_name_cannot_leave_the_data() {
    let hostile = "x'\"></script><script>alert(1)</script><!--&\u{2028}\\";
    let mut run = run(&[(hostile, Stage::Unpack, 60, 70)]);
    run.title = hostile.into();
    run.failure = Some(hostile.into());
    let page = page(&run);
    let data = data(&page);
    assert_eq!(data["title"], hostile);
    assert_eq!(data["failure"], hostile);
    assert_eq!(data["spans"][0]["item"], hostile);
    assert!(!page.contains("alert(1)</script>") && !page.contains("<!--"));
    assert_eq!(page.matches("</script>").count(), 2);
}

#[test]
fn a_name_is_not_taken_for_a_part_of_the_template() {
    let page = page(&run(&[("@SCRIPT@ @STYLE@ @DATA@", Stage::Indexes, 0, 1)]));
    assert_eq!(data(&page)["spans"][0]["item"], "@SCRIPT@ @STYLE@ @DATA@");
}

#[test]
fn the_page_asks_for_nothing_outside() {
    let page = page(&run(&[("bash", Stage::Unpack, 0, 1)]));
    for reference in [
        "http:",
        "https:",
        "src=",
        "href=",
        "url(",
        "@import",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "innerHTML",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_run_without_spans_has_a_page() {
    let page = page(&run(&[]));
    let data = data(&page);
    assert_eq!(data["spans"], json!([]));
    assert_eq!(data["path"], json!([]));
    assert!(page.ends_with("</html>\n"));
}
