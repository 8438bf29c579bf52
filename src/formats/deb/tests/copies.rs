//! Decoded copies.

use super::*;
use crate::testing::tar::SHIPPED;

/// Puts a kept copy into a file.
#[derive(Debug)]
struct CopyToFile {
    content: Vec<u8>,
    kept: File,
}

impl Write for CopyToFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CopyWriter for CopyToFile {
    fn keep(mut self: Box<Self>) -> io::Result<()> {
        self.kept.write_all(&self.content)
    }
}

#[test]
fn a_decoded_copy_is_the_package_again() {
    use Compression::{Gzip, None, Xz, Zstd};
    for (control, data) in [
        (("control.tar.xz", Xz), ("data.tar.xz", Xz)),
        (("control.tar.gz", Gzip), ("data.tar.zst", Zstd)),
        (("control.tar", None), ("data.tar", None)),
    ] {
        let kept = tempfile::tempfile().unwrap();
        let writer = CopyToFile {
            content: Vec::new(),
            kept: kept.try_clone().unwrap(),
        };
        let package = on_disk(&with_members(control, data));
        let first = Deb::open(package, Integrity::Known, limits(), Some(Box::new(writer))).unwrap();
        assert_eq!(kept.metadata().unwrap().len(), 0);
        assert_eq!(all_of(&first).unwrap(), 2);
        first.keep_copy();
        let size = kept.metadata().unwrap().len();
        let second = Deb::open_copy(kept, size, limits()).unwrap();
        assert_eq!(second.stanza, first.stanza);
        assert_eq!(
            (first.built, second.built),
            (SHIPPED.cast_signed(), SHIPPED.cast_signed())
        );
        assert_eq!(second.members[0].content, first.members[0].content);
        assert_eq!(second.data.compression, None);
        assert_eq!(all_of(&second).unwrap(), 2);
    }
}

#[test]
fn copies_with_wrong_lengths_are_errors() {
    for copy in [&b""[..], &[0; 23], &[1; 24], &[0xff; 40]] {
        let size = copy.len() as u64;
        let error = Deb::open_copy(on_disk(copy), size, limits()).unwrap_err();
        assert!(matches!(error, Error::Format), "{copy:?}: {error}");
    }
}
