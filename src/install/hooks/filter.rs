//! Copies a tar archive without its device nodes.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;

/// Copies all entries but character and block devices. An archive that ends early ends the copy.
pub(super) fn without_devices(archive: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut pending = Vec::new();
    let mut block = [0; BLOCK];
    while read_block(archive, &mut block)? {
        let header = tar::Header::from_byte_slice(&block);
        let is_end = block.iter().all(|byte| *byte == 0);
        let size = match is_end {
            true => 0,
            false => header.entry_size()?,
        };
        let mut content = archive.take(size.next_multiple_of(BLOCK as u64));
        pending.extend_from_slice(&block);
        match block[156] {
            // Long names and pax headers belong to the entry that follows.
            b'x' | b'L' | b'K' => {
                content.read_to_end(&mut pending)?;
                continue;
            }
            b'3' | b'4' => {
                io::copy(&mut content, &mut io::sink())?;
            }
            _ => {
                output.write_all(&pending)?;
                io::copy(&mut content, output)?;
            }
        }
        pending.clear();
    }
    Ok(())
}

/// Reads a whole block. False at the end.
fn read_block(archive: &mut impl Read, block: &mut [u8; BLOCK]) -> io::Result<bool> {
    match archive.read_exact(block) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
