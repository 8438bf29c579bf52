//! A command's output: its lines are reported, its end is kept for an error message.

use crate::report::{Event, Report};

/// How many bytes of the end are kept.
pub(super) const KEPT: usize = 64 * 1024;

/// Longer lines are reported in pieces, so that no program can fill our memory.
const LINE_LIMIT: usize = 16 * 1024;

pub(super) struct LineReader<'a> {
    report: &'a Report,
    on_line: &'a mut dyn FnMut(&str),
    line: Vec<u8>,
    end: Vec<u8>,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(report: &'a Report, on_line: &'a mut dyn FnMut(&str)) -> LineReader<'a> {
        LineReader {
            report,
            on_line,
            line: Vec::new(),
            end: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.end.extend_from_slice(bytes);
        if self.end.len() > 2 * KEPT {
            self.end.drain(..self.end.len() - KEPT);
        }
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.line.extend_from_slice(text);
            if piece.ends_with(b"\n") || self.line.len() > LINE_LIMIT {
                self.report_line();
            }
        }
    }

    /// The end of the output. Reports a last line without a newline first.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.line.is_empty() {
            self.report_line();
        }
        self.end.drain(..self.end.len().saturating_sub(KEPT));
        self.end
    }

    fn report_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        (self.on_line)(&line);
        self.report.send(Event::Output(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_the_end_is_kept() {
        let mut lines = Vec::new();
        let mut on_line = |line: &str| lines.push(line.to_owned());
        let report = Report::silent();
        let mut reader = LineReader::new(&report, &mut on_line);
        for piece in [&b"on"[..], b"e\ntwo\n\nth", b"ree\xff"] {
            reader.push(piece);
        }
        assert_eq!(reader.finish(), b"one\ntwo\n\nthree\xff");
        assert_eq!(lines, ["one", "two", "", "three\u{fffd}"]);
    }

    #[test]
    fn endless_output_stays_small() {
        let mut lengths = Vec::new();
        let mut on_line = |line: &str| lengths.push(line.len());
        let report = Report::silent();
        let mut reader = LineReader::new(&report, &mut on_line);
        for _ in 0..100 {
            reader.push(&[b'x'; 8192]);
            assert!(reader.line.len() <= LINE_LIMIT);
            assert!(reader.end.len() <= 2 * KEPT);
        }
        assert_eq!(reader.finish().len(), KEPT);
        assert!(lengths.len() > 20);
        assert!(lengths.iter().all(|&length| length <= LINE_LIMIT + 8192));
    }
}
