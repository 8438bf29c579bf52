//! How much is read of images, and what ends the reading.

use std::thread;
use std::time::Duration;

use super::super::changes;
use super::made::{MadeLayout, list, status};
use super::{CompareRequest, Interrupt, MadePlace, compared, lines, tree};
use crate::formats::compress::Compression;
use crate::report::Report;
use crate::testing::tar::{compress, file, tar};

#[test]
fn both_images_together_decode_to_less_than_a_limit() {
    let place = MadePlace::new();
    let whole = tar(&tree());
    let image = place.file("image", &compress(Compression::Gzip, &whole));
    let size = whole.len() as u64;
    assert!(compared(&image, &image, None, 2 * size).unwrap().is_empty());
    let error = compared(&image, &image, None, 2 * size - 1).unwrap_err();
    let cause = std::error::Error::source(&error).and_then(|cause| cause.source());
    assert!(error.to_string().contains("image"), "{error}");
    assert!(cause.unwrap().to_string().contains("decode to more than"));
}

#[test]
fn many_layers_may_replace_the_status() {
    const SIZE: usize = 4 << 20;
    let place = MadePlace::new();
    let nothing = place.file("nothing", &list(&[]));
    let mut layers = Vec::new();
    for version in 1..=10 {
        let padding = "#".repeat(SIZE);
        let text = format!(
            "{}Description: {padding}\n",
            status("a", "all", &version.to_string())
        );
        layers.push(vec![file("var/lib/dpkg/status", text)]);
        // A layer that hides the database, and one that puts a directory in its place.
        layers.push(vec![file("var/lib/.wh.dpkg", "")]);
        layers.push(vec![file("var/lib/dpkg/status.d/b", "#".repeat(SIZE))]);
        layers.push(vec![file("var/lib/dpkg/status.d", "")]);
    }
    layers.push(vec![file("var/lib/dpkg/status", status("a", "all", "11"))]);
    let image = place.file("image", &MadeLayout::of(&[("amd64", &layers)]).archive());
    assert_eq!(lines(&nothing, &image, None).unwrap(), ["added a:all 11"]);
}

/// What one layer has counts as a whole.
#[test]
fn a_database_of_many_files_is_limited() {
    let place = MadePlace::new();
    let nothing = place.file("nothing", &list(&[]));
    let text = "#".repeat(4 << 20);
    let mut layer = Vec::new();
    for number in 0..8 {
        layer.push(file(format!("var/lib/dpkg/status.d/{number}"), &text[..]));
    }
    let image = place.file("image", &tar(&layer));
    let error = lines(&nothing, &image, None).unwrap_err();
    assert!(
        error.to_string().contains("dpkg's database has more than"),
        "{error}"
    );
}

#[test]
fn an_interrupt_ends_the_reading_of_a_fifo() {
    let place = MadePlace::new();
    let good = place.file("good", &list(&[]));
    let fifo = place.0.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).unwrap();
    let interrupt = Interrupt::default();
    let reading = interrupt.clone();
    let (sender, ended) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let request = CompareRequest {
            old: &good,
            new: &fifo,
            architecture: None,
            temporary: &std::env::temp_dir(),
        };
        let compared = changes(request, &reading, &Report::silent());
        sender.send(compared.unwrap_err().to_string())
    });
    while interrupt.callbacks() == 0 {
        assert!(!reader.is_finished(), "the FIFO is not waited for");
        thread::yield_now();
    }
    interrupt.raise(2);
    let error = ended.recv_timeout(Duration::from_secs(60));
    assert!(
        error
            .expect("it hears of no interrupt")
            .contains("interrupted")
    );
}
