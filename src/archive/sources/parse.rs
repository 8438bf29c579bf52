//! Parses apt's sources (sources.list(5)): one-line entries as apt's ParseQuoteWord does, and
//! deb822 stanzas. `deb-src` entries and disabled ones are skipped.

use super::options::{deb822_name, is_no, words};
use super::{BadSource, SourceEntry};
use crate::archive::release::is_flat;
use crate::formats::stanza::{Fields, fields, stanzas};
use crate::store;

/// Parses a `.sources` file, a `.list` file or one line; only deb822 has fields. `name` is for
/// messages.
pub(crate) fn parse(name: &str, text: &str) -> Result<Vec<SourceEntry>, BadSource> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    match first {
        Some(line) if begins_with_field(line) => parse_deb822(name, text),
        _ => parse_lines(name, text),
    }
}

fn begins_with_field(line: &str) -> bool {
    let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    match line.split_once(':') {
        Some((field, _)) => field.trim_end().bytes().all(is_name),
        None => false,
    }
}

fn parse_lines(name: &str, text: &str) -> Result<Vec<SourceEntry>, BadSource> {
    let mut entries = Vec::new();
    for line in text.lines() {
        match parse_line(without_comment(line).trim()) {
            Ok(entry) => entries.extend(entry),
            Err(reason) => return Err(bad_line(name, line.trim(), reason, false)),
        }
    }
    Ok(entries)
}

/// The line up to a `#` that is not in brackets.
fn without_comment(line: &str) -> &str {
    let mut at = 0;
    while let Some(&byte) = line.as_bytes().get(at) {
        match byte {
            b'#' => return &line[..at],
            b'[' => at += line[at..].find(']').unwrap_or(0) + 1,
            _ => at += 1,
        }
    }
    line
}

/// Parses a line without comments. None for one that has no binary packages.
fn parse_line(line: &str) -> Result<Option<SourceEntry>, &'static str> {
    let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match kind {
        "" | "deb-src" => return Ok(None),
        "deb" => {}
        _ => return Err("it begins neither with deb nor with deb-src"),
    }
    let mut rest = Words(rest.trim_start());
    let mut options = Vec::new();
    if let Some(inside) = rest.0.strip_prefix('[') {
        rest = Words(inside);
        while let Some(option) = rest.next_option()? {
            options.push(option);
        }
    }
    let uri = rest.next_quoted()?.ok_or("it has no URI")?;
    let suite = rest.next_quoted()?.ok_or("it has no suite")?;
    let mut components = Vec::new();
    while let Some(component) = rest.next_quoted()? {
        components.push(decoded(component));
    }
    // The URI keeps its escapes: `%2f` in a password must not become a slash.
    let uri = uri.replace('"', "").replace(' ', "%20");
    let mut entry = SourceEntry::new(uri, decoded(suite), components);
    entry.has_literal_suite = !is_flat(&entry.suite);
    for option in options {
        let (key, value) = option.split_once('=').ok_or("an option has no =")?;
        if key.is_empty() || (value.is_empty() && key != "pin-priority") {
            return Err("an option has no name or no value");
        }
        let key = deb822_name(key);
        let value = decoded(value).replace(',', " ");
        entry.set(&key, &value)?;
    }
    entry.checked().map(Some)
}

/// The rest of a line, read word by word.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The next word, as written. What is in quotes or brackets is part of one.
    fn next_quoted(&mut self) -> Result<Option<&'a str>, &'static str> {
        self.next(|byte| byte.is_ascii_whitespace())
    }

    /// The next option up to the bracket that closes them.
    fn next_option(&mut self) -> Result<Option<&'a str>, &'static str> {
        self.0 = self.0.trim_start();
        if let Some(rest) = self.0.strip_prefix(']') {
            self.0 = rest;
            return Ok(None);
        }
        let option = self.next(|byte| byte.is_ascii_whitespace() || byte == b']')?;
        let is_followed = |rest: &str| !rest.is_empty() && !rest.starts_with(char::is_whitespace);
        if self.0.strip_prefix(']').is_some_and(is_followed) {
            return Err("its ] is not followed by a blank");
        }
        option.map(Some).ok_or("its [ has no ]")
    }

    fn next(&mut self, ends: impl Fn(u8) -> bool) -> Result<Option<&'a str>, &'static str> {
        let text = self.0.trim_start();
        let mut end = 0;
        while let Some(&byte) = text.as_bytes().get(end) {
            end += match byte {
                byte if ends(byte) => break,
                b'"' => 1 + closed(&text[end + 1..], '"').ok_or("a quote is not closed")?,
                b'[' => 1 + closed(&text[end + 1..], ']').ok_or("its [ has no ]")?,
                _ => 1,
            };
        }
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        Ok((!word.is_empty()).then_some(word))
    }
}

/// The length of the text up to and including the closing character.
fn closed(text: &str, by: char) -> Option<usize> {
    text.find(by).map(|at| at + 1)
}

/// A word without its quotes, with each `%xx` replaced by the byte that it stands for.
fn decoded(word: &str) -> String {
    let bytes = word.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = word.get(at + 1..at + 3).filter(|_| byte == b'%');
        let digits = digits.filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                at += 3;
            }
            None => {
                if byte != b'"' {
                    decoded.push(byte);
                }
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn parse_deb822(name: &str, text: &str) -> Result<Vec<SourceEntry>, BadSource> {
    let mut uncommented = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        let is_continued = line.starts_with([' ', '\t']);
        let kept = line.trim_end();
        if !kept.is_empty() && !is_continued && !kept.contains(':') {
            return Err(bad_line(name, line, "it has no colon", true));
        }
        // Only a line without anything ends a stanza.
        uncommented.push_str(if kept.is_empty() && is_continued {
            " "
        } else {
            kept
        });
        uncommented.push('\n');
    }
    let mut entries = Vec::new();
    for stanza in stanzas(&uncommented) {
        match parse_stanza(stanza) {
            Ok(parsed) => entries.extend(parsed),
            Err(reason) => {
                let line = stanza.lines().next().unwrap_or_default();
                return Err(bad_line(name, line, reason, true));
            }
        }
    }
    Ok(entries)
}

/// Parses a deb822 stanza into an entry for each URI and suite.
fn parse_stanza(stanza: &str) -> Result<Vec<SourceEntry>, &'static str> {
    let all = Fields::read(stanza);
    let words = |field: &str| words(all.one(field).unwrap_or_default());
    let mut entries = Vec::new();
    let types = words("Types");
    let is_disabled = all.one("Enabled").is_some_and(is_no);
    if types.is_empty() {
        return Err("the stanza has no Types");
    }
    if is_disabled || !types.iter().any(|kind| kind == "deb") {
        return Ok(entries);
    }
    let uris = words("URIs");
    if uris.is_empty() {
        return Err("the stanza has no URIs");
    }
    let suites = words("Suites");
    if suites.is_empty() {
        return Err("the stanza has no Suites");
    }
    for uri in &uris {
        for suite in &suites {
            let mut entry = SourceEntry::new(uri.clone(), suite.clone(), words("Components"));
            for (field, value) in fields(stanza) {
                entry.set(&field.to_ascii_lowercase(), value)?;
            }
            entries.push(entry.checked()?);
        }
    }
    Ok(entries)
}

fn bad_line(file: &str, line: &str, reason: &'static str, is_deb822: bool) -> BadSource {
    BadSource::Line {
        file: file.to_owned(),
        line: store::hidden(line).chars().take(200).collect(),
        reason,
        is_deb822,
    }
}
