//! A package's decoded copy: the control member and the data member, not compressed, then the
//! length of each and the time at which the package was built.
//!
//! The copy is written while the package is read for the first time; the next run reads it instead
//! of the .deb. If it cannot be written it is given up, and the package is read all the same.

use std::cell::RefCell;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{Error, Section, Sections};
use crate::formats::compress::Compression;

/// The size of what is at the end of a copy, in bytes: both lengths and the time of building, as
/// little-endian numbers of 8 bytes.
const TRAILER: usize = 24;

/// Where a decoded copy is written.
pub(crate) trait CopyWriter: Write + Debug + Send {
    /// Keeps the copy, which is complete. A writer that is dropped leaves nothing.
    fn keep(self: Box<Self>) -> io::Result<()>;
}

/// The copy of a package that is being read, if there is to be one.
#[derive(Debug)]
pub(super) struct Copying(RefCell<Option<PartialCopy>>);

#[derive(Debug)]
struct PartialCopy {
    writer: Box<dyn CopyWriter>,
    /// Bytes written of each member.
    control: u64,
    data: u64,
    /// When the package was built, in seconds since the epoch.
    built: i64,
}

/// A member of a package, in the order of a copy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Control,
    Data,
}

impl Copying {
    /// The copy of a package that was built at that time, in seconds since the epoch.
    pub(super) fn new(writer: Option<Box<dyn CopyWriter>>, built: i64) -> Copying {
        let copy = writer.map(|writer| PartialCopy {
            writer,
            control: 0,
            data: 0,
            built,
        });
        Copying(RefCell::new(copy))
    }

    /// Wraps a reader: what is read from it is copied.
    pub(super) fn tee<R: Read>(&self, input: R, part: Part) -> Tee<'_, R> {
        Tee {
            input,
            copying: self,
            part,
        }
    }

    /// Keeps the copy. Both members must have been read to their ends.
    pub(super) fn keep(&self) {
        if let Some(mut copy) = self.0.take() {
            let trailer = [
                copy.control.to_le_bytes(),
                copy.data.to_le_bytes(),
                copy.built.to_le_bytes(),
            ];
            if copy.writer.write_all(trailer.as_flattened()).is_ok() {
                // Without a copy the next run decodes the package again.
                let _ = copy.writer.keep();
            }
        }
    }

    fn write(&self, bytes: &[u8], part: Part) {
        let mut copying = self.0.borrow_mut();
        let Some(copy) = copying.as_mut() else {
            return;
        };
        match part {
            Part::Control => copy.control += bytes.len() as u64,
            Part::Data => copy.data += bytes.len() as u64,
        }
        if copy.writer.write_all(bytes).is_err() {
            *copying = None;
        }
    }
}

/// A reader whose bytes are copied.
pub(super) struct Tee<'a, R> {
    input: R,
    copying: &'a Copying,
    part: Part,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.copying.write(&buffer[..read], self.part);
        Ok(read)
    }
}

/// Where the data member is in a copy of `size` bytes.
pub(crate) fn data_of_copy(file: &File, size: u64) -> Result<Range<u64>, Error> {
    let data = sections_of_copy(file, size)?.data;
    Ok(data.at..data.at + data.length)
}

/// Finds the members in a copy of `size` bytes.
pub(super) fn sections_of_copy(file: &File, size: u64) -> Result<Sections, Error> {
    let Some(end) = size.checked_sub(TRAILER as u64) else {
        return Err(Error::Format);
    };
    let mut trailer = [[0; 8]; TRAILER / 8];
    file.read_exact_at(trailer.as_flattened_mut(), end)
        .map_err(Error::Read)?;
    let [control, data, built] = trailer;
    let control = u64::from_le_bytes(control);
    let data = u64::from_le_bytes(data);
    if control.checked_add(data) != Some(end) {
        return Err(Error::Format);
    }
    Ok(Sections {
        control: Section {
            at: 0,
            length: control,
            compression: Compression::None,
        },
        data: Section {
            at: control,
            length: data,
            compression: Compression::None,
        },
        built: i64::from_le_bytes(built),
    })
}
