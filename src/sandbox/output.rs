//! What a command writes: its lines to whoever listens, its end kept for the error that may follow.

use crate::report::{Event, Report};

/// How much of the end is kept.
pub(super) const KEPT: usize = 64 * 1024;
/// A line longer than this is handed on in pieces: nothing inside the tree may fill our memory.
const LONGEST_LINE: usize = 16 * 1024;

pub(super) struct Output<'a> {
    report: &'a Report,
    hear: &'a mut dyn FnMut(&str),
    line: Vec<u8>,
    end: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(super) fn new(report: &'a Report, hear: &'a mut dyn FnMut(&str)) -> Output<'a> {
        Output {
            report,
            hear,
            line: Vec::new(),
            end: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.end.extend_from_slice(bytes);
        if self.end.len() > 2 * KEPT {
            self.end.drain(..self.end.len() - KEPT);
        }
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            self.line
                .extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") || self.line.len() > LONGEST_LINE {
                self.hand_on();
            }
        }
    }

    /// The end of the output; a last line without its newline is handed on first.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.line.is_empty() {
            self.hand_on();
        }
        self.end.drain(..self.end.len().saturating_sub(KEPT));
        self.end
    }

    fn hand_on(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        (self.hear)(&line);
        self.report.send(Event::Output(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_the_end_is_kept() {
        let mut heard = Vec::new();
        let mut hear = |line: &str| heard.push(line.to_owned());
        let report = Report::silent();
        let mut output = Output::new(&report, &mut hear);
        for piece in [&b"on"[..], b"e\ntwo\n\nth", b"ree\xff"] {
            output.take(piece);
        }
        assert_eq!(output.finish(), b"one\ntwo\n\nthree\xff");
        assert_eq!(heard, ["one", "two", "", "three\u{fffd}"]);
    }

    #[test]
    fn endless_output_stays_small() {
        let (mut lines, mut longest) = (0, 0);
        let mut hear = |line: &str| (lines, longest) = (lines + 1, longest.max(line.len()));
        let report = Report::silent();
        let mut output = Output::new(&report, &mut hear);
        for _ in 0..100 {
            output.take(&[b'x'; 8192]);
            assert!(output.line.len() <= LONGEST_LINE && output.end.len() <= 2 * KEPT);
        }
        assert_eq!(output.finish().len(), KEPT);
        assert!(lines > 20 && longest <= LONGEST_LINE + 8192);
    }
}
