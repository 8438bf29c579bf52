//! A part of a file as the body of a request, read while it is sent, and how fast it is sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::pack::oci::FilePart;
use crate::report::{Event, Report, Stage};

/// How much is read at a time, in bytes.
const PIECE: u64 = 256 << 10;
/// How long a registry may take to store a blob after receiving it, in timeouts.
const STORING: u32 = 10;

/// Reads a part of a file while it is sent.
pub(super) struct FileBody {
    file: Arc<File>,
    at: u64,
    end: u64,
    sent: Arc<SentBytes>,
}

/// How much of a blob was sent. Bytes that are sent again by a retry are not reported again.
#[derive(Debug)]
pub(super) struct SentBytes {
    /// In this attempt.
    now: AtomicU64,
    /// In the attempt that went furthest.
    most: AtomicU64,
    has_begun: AtomicBool,
    report: Report,
}

impl SentBytes {
    /// A counter at zero, which reports progress to `report`.
    pub(super) fn new(report: &Report) -> Arc<SentBytes> {
        Arc::new(SentBytes {
            now: AtomicU64::new(0),
            most: AtomicU64::new(0),
            has_begun: AtomicBool::new(false),
            report: report.clone(),
        })
    }

    fn begin(&self, size: u64) {
        self.now.store(0, Ordering::Relaxed);
        if !self.has_begun.swap(true, Ordering::Relaxed) {
            let stage = Stage::Push;
            self.report.send(Event::Grew { stage, by: size });
        }
    }

    fn add(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let most = self.most.fetch_max(now, Ordering::Relaxed);
        if now > most {
            self.report.advanced(Stage::Push, now - most);
        }
    }
}

impl FileBody {
    /// The content of a request, from its beginning.
    pub(super) fn content(part: &FilePart, sent: &Arc<SentBytes>) -> reqwest::Body {
        sent.begin(part.size);
        reqwest::Body::wrap(FileBody {
            file: Arc::clone(&part.file),
            at: part.offset,
            end: part.offset.saturating_add(part.size),
            sent: Arc::clone(sent),
        })
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = self.get_mut();
        let length = (body.end - body.at).min(PIECE);
        if length == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; length as usize];
        if let Err(error) = body.file.read_exact_at(&mut piece, body.at) {
            return Poll::Ready(Some(Err(error)));
        }
        body.at += length;
        body.sent.add(length);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

/// How fast the content of a request is sent.
#[derive(Debug)]
pub(super) struct Pace {
    /// In bytes; 0 for a request without a file.
    size: u64,
    sent: Option<Arc<SentBytes>>,
    /// What was sent at the last look.
    before: u64,
    /// How many looks there were since all was sent.
    stored: u32,
    /// The time of the present window, and what was sent in it.
    over: Duration,
    bytes: u64,
}

/// What to do about a request that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Stalled,
    Slow,
}

/// The limits of a transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PaceLimits {
    /// In bytes per second.
    pub(super) lowest_rate: u64,
    /// The time over which the rate is measured.
    pub(super) window: Duration,
}

impl Pace {
    /// The pace of a request that carries so many bytes of a file, if any.
    pub(super) fn of(size: u64, sent: Option<&Arc<SentBytes>>) -> Pace {
        Pace {
            size,
            sent: sent.cloned(),
            before: 0,
            stored: 0,
            over: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Judges the time since the last look.
    pub(super) fn look(&mut self, waited: Duration, limits: PaceLimits) -> Verdict {
        let sent = match &self.sent {
            Some(sent) => sent.now.load(Ordering::Relaxed),
            None => 0,
        };
        let new = sent.saturating_sub(self.before);
        self.before = sent;
        if new == 0 {
            // Once it has everything, the registry hashes and stores it.
            self.stored += 1;
            let is_sent = self.size > 0 && sent >= self.size;
            return match is_sent && self.stored < STORING {
                true => Verdict::Wait,
                false => Verdict::Stalled,
            };
        }
        self.over += waited;
        self.bytes += new;
        if self.over < limits.window {
            return Verdict::Wait;
        }
        let is_slow = (self.bytes as f64) < limits.lowest_rate as f64 * self.over.as_secs_f64();
        self.over = Duration::ZERO;
        self.bytes = 0;
        match is_slow && sent < self.size {
            true => Verdict::Slow,
            false => Verdict::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_is_sent_fast_enough_is_waited_for() {
        const LIMITS: PaceLimits = PaceLimits {
            lowest_rate: 100,
            window: Duration::from_secs(2),
        };
        let mut all_looks = [Verdict::Wait; 11];
        all_looks[10] = Verdict::Stalled;
        // What is sent between the looks, each after a second, and what follows.
        let table: [(&str, u64, &[u64], &[Verdict]); 5] = [
            ("nothing to send", 0, &[0], &[Verdict::Stalled]),
            (
                "fast",
                600,
                &[100, 100, 200, 200],
                &[Verdict::Wait, Verdict::Wait, Verdict::Wait, Verdict::Wait],
            ),
            ("slow", 600, &[90, 100], &[Verdict::Wait, Verdict::Slow]),
            (
                "stalled",
                600,
                &[300, 0],
                &[Verdict::Wait, Verdict::Stalled],
            ),
            (
                "stored slowly",
                600,
                &[600, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                &all_looks,
            ),
        ];
        for (name, size, sent, verdicts) in table {
            let counter = SentBytes::new(&Report::silent());
            let mut pace = Pace::of(size, Some(&counter));
            assert_eq!(sent.len(), verdicts.len(), "{name}");
            for (step, expected) in sent.iter().zip(verdicts) {
                counter.add(*step);
                let verdict = pace.look(Duration::from_secs(1), LIMITS);
                assert_eq!(verdict, *expected, "{name}");
            }
        }
    }
}
