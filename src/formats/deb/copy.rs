//! A package's decoded copy: the control member, the data member and the length of each, not
//! compressed.
//!
//! The copy is written while the package is read for the first time; the next run reads it instead
//! of the .deb. If it cannot be written it is given up, and the package is read all the same.

use std::cell::RefCell;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use super::{Error, Section, Sections};
use crate::formats::compress::Compression;

/// The size of both lengths at the end of a copy, in bytes.
const LENGTHS: usize = 16;

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
}

/// A member of a package, in the order of a copy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Control,
    Data,
}

impl Copying {
    pub(super) fn new(writer: Option<Box<dyn CopyWriter>>) -> Copying {
        let copy = writer.map(|writer| PartialCopy {
            writer,
            control: 0,
            data: 0,
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
            let lengths = [copy.control.to_le_bytes(), copy.data.to_le_bytes()].concat();
            if copy.writer.write_all(&lengths).is_ok() {
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

/// Finds the members in a copy of `size` bytes.
pub(super) fn sections_of_copy(file: &File, size: u64) -> Result<Sections, Error> {
    let Some(end) = size.checked_sub(LENGTHS as u64) else {
        return Err(Error::Format);
    };
    let mut lengths = [0; LENGTHS];
    file.read_exact_at(&mut lengths, end).map_err(Error::Read)?;
    let lengths = u128::from_le_bytes(lengths);
    let control = lengths as u64;
    let data = (lengths >> 64) as u64;
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
    })
}
