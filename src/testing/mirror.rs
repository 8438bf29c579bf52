//! A mirror on loopback: serves a directory over HTTP, with faults that a test sets by path.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::server::{Asked, Reply, Server, Then};

/// What goes wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorFault {
    /// 404.
    Missing,
    /// This status, so many times; then the file.
    Status(u16, usize),
    /// The connection ends without an answer, so many times.
    Refuse(usize),
    /// The connection ends after half of the body, so many times; a later range is served.
    Break(usize),
    /// Half of the body, then nothing until the server ends.
    Stall,
    /// A body of the right length whose last byte is wrong.
    Wrong,
    /// This content in place of the file, so many times.
    Other(Vec<u8>, usize),
    /// A body without end and without a declared length.
    Endless,
    /// The file; every later request is answered from this other directory.
    MoveTo(PathBuf),
    /// A redirect to this URL.
    Redirect(String),
}

/// A running mirror.
pub struct Mirror {
    server: Server,
    state: Arc<Mutex<MirrorState>>,
}

struct MirrorState {
    root: PathBuf,
    faults: BTreeMap<String, MirrorFault>,
}

impl Mirror {
    /// Serves a directory on a port of its own.
    pub fn start(root: PathBuf) -> Mirror {
        let state = Arc::new(Mutex::new(MirrorState {
            root,
            faults: BTreeMap::new(),
        }));
        let shared = state.clone();
        let server = Server::start(move |asked| answer(&shared, asked));
        Mirror { server, state }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.origin()
    }

    /// Sets a fault for every path that ends with `ending`.
    pub fn fault(&self, ending: &str, fault: MirrorFault) {
        lock(&self.state).faults.insert(ending.to_owned(), fault);
    }

    /// Takes all faults back.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<Asked> {
        self.server.asked()
    }

    /// The paths requested so far, in order.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for asked in self.server.asked() {
            paths.push(asked.target);
        }
        paths
    }

    /// The .debs requested so far, in order.
    pub fn debs(&self) -> Vec<String> {
        let mut paths = self.paths();
        paths.retain(|path| path.ends_with(".deb"));
        paths
    }

    /// Clears the log of requests.
    pub fn clear_log(&self) {
        self.server.clear_log();
    }

    /// Waits for a request whose path ends with `ending`. Panics after a minute.
    pub fn wait_for(&self, ending: &str) {
        self.server.wait_for(ending);
    }
}

/// The state, even if a test that held it has panicked.
fn lock(state: &Mutex<MirrorState>) -> MutexGuard<'_, MirrorState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(state: &Mutex<MirrorState>, asked: &Asked) -> Reply {
    let mut state = lock(state);
    let path = decoded(asked.target.trim_start_matches('/'));
    let file = state.root.join(path);
    let fault = state.next_fault(&asked.target);
    drop(state);
    match &fault {
        Some(MirrorFault::Missing) => return Reply::status(404),
        Some(MirrorFault::Status(status, _)) => return Reply::status(*status),
        Some(MirrorFault::Redirect(to)) => return Reply::status(302).with("Location", to),
        Some(MirrorFault::Refuse(_)) => return Reply::none(),
        Some(MirrorFault::Other(content, _)) => return Reply::of(content),
        Some(MirrorFault::Endless) => {
            return Reply {
                length: None,
                then: Then::Flood,
                ..Reply::of(b"")
            };
        }
        _ => {}
    }
    let Ok(mut content) = fs::read(file) else {
        return Reply::status(404);
    };
    if fault == Some(MirrorFault::Wrong)
        && let Some(byte) = content.last_mut()
    {
        *byte ^= 1;
    }
    let reply = Reply::range(asked, &content).with("Accept-Ranges", "bytes");
    let half = reply.body.len() / 2;
    match fault {
        Some(MirrorFault::Break(_)) => reply.cut(half, Then::Close),
        Some(MirrorFault::Stall) => reply.cut(half, Then::Hang),
        _ => reply,
    }
}

impl MirrorState {
    /// The fault of a path, after counting down or carrying out what it changes.
    fn next_fault(&mut self, path: &str) -> Option<MirrorFault> {
        let ending = self.faults.keys().find(|ending| path.ends_with(*ending))?;
        let ending = ending.clone();
        let fault = self.faults[&ending].clone();
        let left = match &fault {
            MirrorFault::Status(status, times) if *times > 1 => {
                Some(MirrorFault::Status(*status, times - 1))
            }
            MirrorFault::Refuse(times) if *times > 1 => Some(MirrorFault::Refuse(times - 1)),
            MirrorFault::Break(times) if *times > 1 => Some(MirrorFault::Break(times - 1)),
            MirrorFault::Other(content, times) if *times > 1 => {
                Some(MirrorFault::Other(content.clone(), times - 1))
            }
            MirrorFault::Status(..)
            | MirrorFault::Refuse(_)
            | MirrorFault::Break(_)
            | MirrorFault::Other(..) => None,
            MirrorFault::MoveTo(root) => {
                self.root = root.clone();
                None
            }
            lasting => Some(lasting.clone()),
        };
        match left {
            Some(left) => self.faults.insert(ending, left),
            None => self.faults.remove(&ending),
        };
        Some(fault)
    }
}

/// A path without its percent-encoding.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let hexadecimal: String = rest.by_ref().take(2).map(char::from).collect();
        bytes.push(u8::from_str_radix(&hexadecimal, 16).unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
