//! The OpenPGP framing of releases and keyrings: clearsigned messages, armor blocks, packets.
//!
//! Nothing is verified here: `openpgp` decides which signatures count.

use std::io::Read;

use pgp::armor::{Dearmor, DearmorOptions};
use pgp::packet::{Packet, PacketParser, Signature};

use super::SignatureError;
use crate::failure::one_line;

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "\n-----END PGP SIGNATURE-----";
const BEGIN_BLOCK: &[u8] = b"-----BEGIN PGP ";

/// The text of an InRelease or a Release file whose signature is not checked, for sources that the
/// user trusts as they are.
pub(in crate::archive) fn unchecked_text(content: &[u8]) -> Result<String, SignatureError> {
    if content.starts_with(BEGIN_MESSAGE.as_bytes()) {
        let (text, _) = split(content)?;
        return Ok(text);
    }
    text(content)
}

/// Splits a clearsigned message (RFC 9580, section 7) into the text that was hashed, its lines
/// ended by `\n`, and the signatures' armor. Stricter than the RFC where a lax reader and a lax
/// signer may see different lines.
pub(super) fn split(content: &[u8]) -> Result<(String, &[u8]), SignatureError> {
    let whole = std::str::from_utf8(content).map_err(|_| SignatureError::NotText)?;
    let mut rest = whole;
    match next_line(&mut rest) {
        Some(BEGIN_MESSAGE) => {}
        _ if whole.contains(BEGIN_MESSAGE) => {
            return Err(malformed("there is text before the signed message"));
        }
        _ => return Err(SignatureError::Unsigned),
    }
    while let Some(header) = next_line(&mut rest).filter(|line| !line.is_empty()) {
        if !header.starts_with("Hash: ") {
            return Err(malformed("it has a header that is not Hash"));
        }
    }
    let mut text = String::with_capacity(rest.len());
    loop {
        let armor = rest;
        let Some(line) = next_line(&mut rest) else {
            return Err(malformed("the signed message does not end"));
        };
        if line == BEGIN_SIGNATURE {
            // The end of the last line belongs to the framing.
            text.pop();
            return Ok((text, signature_armor(armor)?));
        }
        text.push_str(unescaped(line)?.trim_end_matches([' ', '\t']));
        text.push('\n');
    }
}

/// The armor at the end of a message, which nothing may follow.
fn signature_armor(rest: &str) -> Result<&[u8], SignatureError> {
    let Some(end) = rest.find(END_SIGNATURE) else {
        return Err(malformed("the signature does not end"));
    };
    let (armor, after) = rest.split_at(end + END_SIGNATURE.len());
    if !after.trim().is_empty() {
        return Err(malformed("there is text after the signed message"));
    }
    Ok(armor.as_bytes())
}

/// A line of a clearsigned text without its dash escape.
fn unescaped(line: &str) -> Result<&str, SignatureError> {
    let text = line.strip_prefix("- ").unwrap_or(line);
    if line.starts_with('-') && text.len() == line.len() {
        return Err(malformed("a line begins with an unescaped dash"));
    }
    if text.contains('\r') {
        // The signer may have read it as the end of a line; this parser does not.
        return Err(malformed("a line has a carriage return in it"));
    }
    Ok(text)
}

fn next_line<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
    *rest = tail;
    Some(line.strip_suffix('\r').unwrap_or(line))
}

/// The content of a Release file as text.
pub(super) fn text(content: &[u8]) -> Result<String, SignatureError> {
    String::from_utf8(content.to_vec()).map_err(|_| SignatureError::NotText)
}

/// The signatures in a file: binary, or any number of armor blocks.
pub(super) fn signatures(file: &[u8]) -> Result<Vec<Signature>, SignatureError> {
    let mut all = Vec::new();
    for block in blocks(file) {
        let packets = packets(block).map_err(|e| malformed(&cut(&e.to_string())))?;
        for packet in packets {
            let Packet::Signature(signature) = packet else {
                return Err(malformed("there is a packet that is not a signature"));
            };
            all.push(signature);
        }
    }
    Ok(all)
}

/// The armor blocks of a file, or the whole file if it is binary.
pub(super) fn blocks(content: &[u8]) -> Vec<&[u8]> {
    if is_binary(content) {
        return vec![content];
    }
    let mut starts = Vec::new();
    for at in memchr::memmem::find_iter(content, BEGIN_BLOCK) {
        if at == 0 || content[at - 1] == b'\n' {
            starts.push(at);
        }
    }
    let mut blocks = Vec::with_capacity(starts.len());
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(content.len());
        blocks.push(&content[start..end]);
    }
    blocks
}

/// The packets of a block that matter here. Packets of unknown kinds are left out, and so are
/// GnuPG's own trust packets, which its exported keyrings may have between a name and its signature
/// and at which the parser of certificates would stop.
pub(super) fn packets(block: &[u8]) -> Result<Vec<Packet>, pgp::errors::Error> {
    use pgp::errors::Error;
    let mut bytes = Vec::new();
    let binary = if is_binary(block) {
        block
    } else {
        let options = DearmorOptions::new().set_limit(block.len());
        Dearmor::with_options(block, options).read_to_end(&mut bytes)?;
        &bytes
    };
    let mut packets = Vec::new();
    for packet in PacketParser::new(binary) {
        match packet {
            Ok(Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_))
            | Err(Error::Unsupported { .. } | Error::InvalidPacketContent { .. }) => {}
            known => packets.push(known?),
        }
    }
    Ok(packets)
}

pub(super) fn is_binary(content: &[u8]) -> bool {
    content.first().is_some_and(|first| first & 0x80 != 0)
}

/// A parser's message as one line of bounded length: it quotes its input.
pub(super) fn cut(message: &str) -> String {
    one_line(message.lines().next().unwrap_or_default(), 160)
}

fn malformed(reason: &str) -> SignatureError {
    SignatureError::Malformed {
        reason: reason.to_owned(),
    }
}
