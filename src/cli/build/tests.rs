//! Parts of the images, and the exit class of a build.

use std::time::Duration;

use super::*;

fn entries(count: usize) -> Vec<ImageEntry> {
    let mut text = String::new();
    for number in 0..count {
        text += &format!("[[images]]\nsuite = 'x'\nname = '{number}'\n");
    }
    ImageTable::parse(&text, "amd64").unwrap().images
}

#[test]
fn each_image_is_in_one_part() {
    let mut shown = Vec::new();
    for number in 1..=3 {
        let shard = Shard { number, count: 3 };
        let mut names = String::new();
        for entry in shard.of(entries(7)) {
            names += &entry.name;
        }
        shown.push(names);
    }
    assert_eq!(shown, ["036", "14", "25"]);
    let empty = Shard {
        number: 9,
        count: 9,
    };
    assert!(empty.of(entries(7)).is_empty());
    assert_eq!("2/3".parse::<Shard>().unwrap().number, 2);
    for text in ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
}

fn result(error: Option<run::Error>) -> ImageResult {
    ImageResult {
        name: "x".into(),
        state: match error {
            Some(error) => ImageState::Failed(error),
            None => ImageState::Built,
        },
        key: None,
        packages: None,
        took: Duration::ZERO,
        files: Vec::new(),
    }
}

#[test]
fn the_build_fails_as_its_images_do() {
    let no_proc = || Some(run::Error::NoProc);
    let unknown = || {
        Some(run::Error::NoSnapshots {
            suite: "x".to_owned(),
        })
    };
    let rows = [
        ("none", vec![result(None)], None),
        (
            "one",
            vec![result(None), result(no_proc())],
            Some(Class::Target),
        ),
        (
            "alike",
            vec![result(unknown()), result(unknown())],
            Some(Class::Usage),
        ),
        (
            "different",
            vec![result(no_proc()), result(unknown())],
            Some(Class::Other),
        ),
    ];
    for (case, results, expected) in rows {
        let class = failure(&results).map(|error| error.class());
        assert_eq!(class, expected, "{case}");
    }
}
