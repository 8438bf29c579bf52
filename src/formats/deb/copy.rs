//! A package's decoded copy: its control member, its data member, and how long both are, in a file that costs nothing to decode.
//!
//! It is written while the package is read for the first time, and is what the next run reads instead of the .deb. A copy that cannot be
//! written is given up, and the package is read all the same.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use super::{Error, Section};
use crate::formats::compress::Compression;
use crate::store::DerivedWriter;

/// How long the two lengths at the end are, in bytes.
const LENGTHS: usize = 16;

/// A copy on its way, if there is to be one.
#[derive(Debug)]
pub(super) struct Copying(RefCell<Option<Copied>>);

#[derive(Debug)]
struct Copied {
    draft: DerivedWriter,
    /// How many bytes each part has so far.
    control: u64,
    data: u64,
}

/// The parts, in the order in which they are copied.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Control,
    Data,
}

impl Copying {
    /// A copy into `draft`.
    pub(super) fn into(draft: Option<DerivedWriter>) -> Copying {
        Copying(RefCell::new(draft.map(|draft| Copied {
            draft,
            control: 0,
            data: 0,
        })))
    }

    /// What is read of `input` goes into the copy too.
    pub(super) fn tee<R: Read>(&self, input: R, part: Part) -> Tee<'_, R> {
        Tee {
            input,
            copying: self,
            part,
        }
    }

    /// Keeps the copy, all parts being read to their ends.
    pub(super) fn keep(&self) {
        if let Some(Copied {
            mut draft,
            control,
            data,
        }) = self.0.take()
        {
            let lengths = [control.to_le_bytes(), data.to_le_bytes()].concat();
            // Without it the next run decodes the package again.
            let _ = draft.write_all(&lengths).and_then(|()| draft.keep());
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
        let mut copying = self.copying.0.borrow_mut();
        if let Some(copied) = copying.as_mut() {
            match self.part {
                Part::Control => copied.control += read as u64,
                Part::Data => copied.data += read as u64,
            }
            if copied.draft.write_all(&buffer[..read]).is_err() {
                *copying = None;
            }
        }
        Ok(read)
    }
}

/// Where the members are in a copy of `size` bytes.
pub(super) fn sections_of_copy(file: &File, size: u64) -> Result<(Section, Section), Error> {
    let lengths_at = size.checked_sub(LENGTHS as u64).ok_or(Error::Format)?;
    let mut lengths = [0; LENGTHS];
    file.read_exact_at(&mut lengths, lengths_at)
        .map_err(Error::Read)?;
    let lengths = u128::from_le_bytes(lengths);
    let (control, data) = (lengths as u64, (lengths >> 64) as u64);
    if control.checked_add(data) != Some(lengths_at) {
        return Err(Error::Format);
    }
    let section = |at, length| Section {
        at,
        length,
        compression: Compression::None,
    };
    Ok((section(0, control), section(control, data)))
}
