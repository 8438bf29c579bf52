//! Checksums of files, in the format of sha256sum(1).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::formats::digest::{Algorithm, Hasher};
use crate::interrupt::Interrupt;

/// How much is read at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// The checksum of a file from its beginning, in hexadecimal. The file's position stays.
pub(crate) fn of_file(file: &File, interrupt: &Interrupt) -> io::Result<String> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        interrupt.check()?;
        let read = match file.read_at(&mut chunk, at) {
            Ok(0) => return Ok(hasher.finish().hexadecimal()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        at += read as u64;
    }
}

/// The line of a file, by its name without a directory.
pub(crate) fn line(path: &Path, checksum: &str) -> String {
    let name = path.file_name().unwrap_or_default();
    format!("{checksum}  {}\n", name.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::formats::digest::digest;

    #[test]
    fn a_file_is_read_from_its_beginning_and_in_parts() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = vec![b'x'; CHUNK + 1];
        file.write_all(&bytes).unwrap();
        let found = of_file(&file, &Interrupt::default()).unwrap();
        assert_eq!(found, digest(Algorithm::Sha256, &bytes).hexadecimal());
        let interrupt = Interrupt::default();
        interrupt.raise(15);
        assert!(of_file(&file, &interrupt).is_err());
        assert_eq!(line(Path::new("a/b.tar"), "00"), "00  b.tar\n");
    }
}
