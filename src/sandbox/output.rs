//! A command's output: its lines are reported up to a limit, its end is kept for an error message.
//!
//! Beyond the limit lines are only searched for those that the caller follows the command by, so a
//! command that writes without end fills neither our memory nor the log, and is not held up.

use std::io::{self, PipeReader, Read};

use memchr::{memchr, memmem, memrchr};

use crate::report::{Event, Report};

/// How many bytes of the end are kept.
pub(super) const KEPT: usize = 64 * 1024;

/// Longer lines are reported in pieces, so that no program can fill our memory.
const LINE_LIMIT: usize = 16 * 1024;

/// How much of a command's output is reported. The scripts of 363 packages of bookworm write 42 kB
/// in all.
pub(crate) const BYTES_REPORTED: usize = 4 << 20;
pub(crate) const LINES_REPORTED: usize = 65_536;

/// How many lines before a line that the caller follows are heard with it.
const CONTEXT: usize = 20;

/// How many bytes of dropped lines are kept to be heard with a later line.
const BEFORE: usize = 4 * 1024;

/// What a line means for the command's time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time goes on.
    Continues,
    /// The command turned to another script, and the time begins anew.
    Restarts,
}

/// Who hears a command's lines.
pub(crate) struct Hearing<'a> {
    /// Called with each line; beyond the limit only with those that begin like `beginnings`, the
    /// lines around them and the last lines.
    pub(crate) on_line: &'a mut dyn FnMut(&str) -> Clock,
    /// How lines begin that must not be missed.
    pub(crate) beginnings: &'a [&'a str],
}

pub(super) struct LineReader<'r, 'h> {
    report: &'r Report,
    hearing: Hearing<'h>,
    /// The line that has not ended.
    line: Vec<u8>,
    end: Vec<u8>,
    bytes_reported: usize,
    lines_reported: usize,
    /// Bytes of lines that were not reported.
    dropped: u64,
    /// The last dropped lines.
    before: Vec<u8>,
    /// Whether the last whole line was one that must not be missed: the next explains it.
    expects_next: bool,
    restarted: bool,
}

impl<'r, 'h> LineReader<'r, 'h> {
    pub(super) fn new(report: &'r Report, hearing: Hearing<'h>) -> LineReader<'r, 'h> {
        LineReader {
            report,
            hearing,
            line: Vec::new(),
            end: Vec::new(),
            bytes_reported: 0,
            lines_reported: 0,
            dropped: 0,
            before: Vec::new(),
            expects_next: false,
            restarted: false,
        }
    }

    /// Whether a line since the last call restarted the time limit.
    pub(super) fn take_restarted(&mut self) -> bool {
        std::mem::take(&mut self.restarted)
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.end.extend_from_slice(bytes);
        if self.end.len() > 2 * KEPT {
            self.end.drain(..self.end.len() - KEPT);
        }
        while !bytes.is_empty() {
            if self.is_full() {
                return self.skim(bytes);
            }
            let Some(at) = memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                if self.line.len() > LINE_LIMIT {
                    self.report_line();
                }
                return;
            };
            self.line.extend_from_slice(&bytes[..at]);
            self.report_line();
            bytes = &bytes[at + 1..];
        }
    }

    /// The end of the output. Reports a last line without a newline first, and how much was
    /// dropped.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.end.drain(..self.end.len().saturating_sub(KEPT));
        if self.is_full() {
            self.line.push(b'\n');
            self.skim(&[]);
            let end = std::mem::take(&mut self.end);
            self.hear_context(&end);
            self.end = end;
        } else if !self.line.is_empty() {
            self.report_line();
        }
        if self.dropped > 0 {
            let dropped = self.dropped;
            let text = format!("({dropped} more bytes of output were dropped)");
            self.report.send(Event::Output(text));
        }
        self.end
    }

    fn is_full(&self) -> bool {
        self.bytes_reported >= BYTES_REPORTED || self.lines_reported >= LINES_REPORTED
    }

    fn report_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.bytes_reported += line.len();
        self.lines_reported += 1;
        self.line.clear();
        self.hear(&line);
        self.report.send(Event::Output(line));
    }

    fn hear(&mut self, line: &str) {
        self.restarted |= (self.hearing.on_line)(line) == Clock::Restarts;
    }

    /// Drops whole lines, but hears those that the caller must not miss.
    fn skim(&mut self, bytes: &[u8]) {
        self.dropped += bytes.len() as u64;
        self.line.extend_from_slice(bytes);
        let Some(last) = memrchr(b'\n', &self.line) else {
            if self.line.len() > LINE_LIMIT {
                self.line.clear();
            }
            return;
        };
        let text = std::mem::take(&mut self.line);
        self.line.extend_from_slice(&text[last + 1..]);
        let text = &text[..=last];
        let before = std::mem::take(&mut self.before);
        let mut heard = 0;
        if std::mem::take(&mut self.expects_next) {
            heard = self.hear_explanation(text);
        }
        for at in self.positions(text) {
            if heard == 0 {
                self.hear_context(&before);
            }
            self.hear_context(&text[heard..at]);
            let (line, rest) = split_line(&text[at..]);
            self.hear_bytes(line);
            heard = at + line.len() + self.hear_explanation(rest);
            self.expects_next = rest.is_empty();
        }
        let unheard = &text[heard..];
        let from = unheard.len().saturating_sub(BEFORE);
        self.before.extend_from_slice(&unheard[from..]);
    }

    /// Where lines begin that must not be missed, in order.
    fn positions(&self, text: &[u8]) -> Vec<usize> {
        let mut positions = Vec::new();
        for beginning in self.hearing.beginnings {
            for at in memmem::find_iter(text, beginning) {
                if at == 0 || text[at - 1] == b'\n' {
                    positions.push(at);
                }
            }
        }
        positions.sort_unstable();
        positions
    }

    /// Hears the line after one that must not be missed, unless it is another such line. Returns
    /// the length of what was heard.
    fn hear_explanation(&mut self, text: &[u8]) -> usize {
        let (line, _) = split_line(text);
        if line.is_empty() || self.must_be_heard(line) {
            return 0;
        }
        self.hear_bytes(line);
        line.len()
    }

    fn hear_bytes(&mut self, line: &[u8]) {
        self.hear(String::from_utf8_lossy(line).trim_end_matches('\n'));
    }

    /// Hears the last lines of a text, without those that were heard already.
    fn hear_context(&mut self, text: &[u8]) {
        let mut from = text.len();
        for _ in 0..=CONTEXT {
            from = memrchr(b'\n', &text[..from]).unwrap_or(0);
        }
        for line in String::from_utf8_lossy(&text[from..]).lines() {
            if !line.is_empty() && !self.must_be_heard(line.as_bytes()) {
                self.hear(line);
            }
        }
    }

    fn must_be_heard(&self, line: &[u8]) -> bool {
        let mut beginnings = self.hearing.beginnings.iter();
        beginnings.any(|beginning| line.starts_with(beginning.as_bytes()))
    }
}

/// The first line, with its newline, and the rest.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', text).map_or(text.len(), |at| at + 1);
    text.split_at(end)
}

/// Reads what the pipe contains. False once the other end is closed.
pub(super) fn drain(output: &mut PipeReader, lines: &mut LineReader<'_, '_>) -> bool {
    let mut buffer = [0; 16 * 1024];
    // At most a full pipe at a time: a process that writes forever must not hide the command's
    // end.
    for _ in 0..64 {
        match output.read(&mut buffer) {
            Ok(0) => return false,
            Ok(read) => lines.push(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What is heard and what is reported of an output that comes in pieces, with the end.
    fn read(pieces: &[&[u8]], beginnings: &[&str]) -> (Vec<String>, Vec<String>, Vec<u8>) {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reported);
        let report = Report::new(move |event| {
            if let Event::Output(line) = event {
                sink.lock().unwrap().push(line);
            }
        });
        let mut heard = Vec::new();
        let mut on_line = |line: &str| {
            heard.push(line.to_owned());
            Clock::Continues
        };
        let hearing = Hearing {
            on_line: &mut on_line,
            beginnings,
        };
        let mut reader = LineReader::new(&report, hearing);
        for piece in pieces {
            reader.push(piece);
            assert!(reader.line.len() <= LINE_LIMIT + piece.len());
            assert!(reader.end.len() <= 2 * KEPT + piece.len());
        }
        let end = reader.finish();
        drop(report);
        let reported = reported.lock().unwrap().clone();
        (heard, reported, end)
    }

    #[test]
    fn lines_are_whole_and_the_end_is_kept() {
        let (heard, reported, end) = read(&[b"on", b"e\ntwo\n\nth", b"ree\xff"], &[]);
        assert_eq!(end, b"one\ntwo\n\nthree\xff");
        assert_eq!(heard, ["one", "two", "", "three\u{fffd}"]);
        assert_eq!(reported, heard);
    }

    #[test]
    fn an_endless_line_stays_small() {
        let piece = [b'x'; 8192];
        let (heard, _, end) = read(&[&piece[..]; 100], &[]);
        assert_eq!(end.len(), KEPT);
        assert!(heard.len() > 20);
        assert!(heard.iter().all(|line| line.len() <= LINE_LIMIT + 8192));
    }

    #[test]
    fn endless_lines_are_dropped_and_counted() {
        for line in [&b"y\n"[..], &[b"z".repeat(999), b"\n".to_vec()].concat()] {
            let flood = line.repeat(16 * 1024 / line.len());
            let flood = vec![&flood[..]; 1000];
            let (heard, reported, end) = read(&flood, &["dpkg: "]);
            let total: usize = flood.iter().map(|piece| piece.len()).sum();
            let lines = total / line.len();
            let most = LINES_REPORTED.min(BYTES_REPORTED / (line.len() - 1) + 1);
            assert!(lines > most);
            assert_eq!(reported.len(), most + 1);
            let dropped = total - most * line.len();
            assert_eq!(
                reported.last().unwrap(),
                &format!("({dropped} more bytes of output were dropped)")
            );
            assert!(heard.len() <= most + CONTEXT + 2, "{}", heard.len());
            assert_eq!(end.len(), KEPT);
        }
    }

    #[test]
    fn what_must_be_heard_is_heard_in_a_flood() {
        let flood = b"y\n".repeat(8 * 1024);
        let mut pieces = vec![&flood[..]; 20];
        pieces.extend([
            &b"last words\ndpkg: err"[..],
            b"or x\n a reason\ndpkg: warning\ndpkg: error y\n",
            b" why\n",
            b"not heard\n",
        ]);
        pieces.extend([&flood[..]; 5]);
        pieces.push(b"the end");
        let (heard, _, _) = read(&pieces, &["dpkg: "]);
        let mut heard: Vec<&str> = heard[LINES_REPORTED..].iter().map(|s| &s[..]).collect();
        heard.retain(|line| *line != "y");
        assert_eq!(
            heard,
            [
                "last words",
                "dpkg: error x",
                " a reason",
                "dpkg: warning",
                "dpkg: error y",
                " why",
                "the end"
            ]
        );
    }
}
