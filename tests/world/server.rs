//! A mirror on loopback: HTTP/1.1 with keep-alive and ranges over a directory, with faults to order.
//!
//! Every request is written down, so that a test can say what was asked for and how often. A server ends with its last handle.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What goes wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 404.
    Missing,
    /// This status, so many times; then all is well.
    Status(u16, usize),
    /// The connection is closed without an answer, so many times.
    Refuse(usize),
    /// Half of the body, then the connection breaks, so many times; a later range is served.
    Reset(usize),
    /// Half of the body, then nothing until the server ends.
    Stall,
    /// As long as it should be, but one byte is another.
    Wrong,
    /// The body goes on behind its end, without a declared length.
    Endless,
    /// The answer to this path is the last thing that this state of the mirror gives: from then on it serves this other directory.
    MoveTo(PathBuf),
    /// A redirect to this URL.
    Redirect(String),
}

/// A request that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub agent: Option<String>,
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    root: PathBuf,
    faults: BTreeMap<String, Fault>,
    log: Vec<Request>,
    ended: bool,
}

impl Server {
    /// Serves a directory on a port of its own.
    pub fn start(root: PathBuf) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            root,
            faults: BTreeMap::new(),
            log: Vec::new(),
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let server = Server {
            address,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().ended {
                    break;
                }
                let shared = shared.clone();
                // A client that goes away is no matter of the server's.
                thread::spawn(move || stream.map(|stream| shared.serve(&stream)));
            }
        });
        server
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Orders a fault for every path that ends so.
    pub fn fault(&self, ending: &str, fault: Fault) {
        self.shared.lock().faults.insert(ending.to_owned(), fault);
    }

    /// Takes all faults back.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
        self.shared.changed.notify_all();
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<Request> {
        self.shared.lock().log.clone()
    }

    /// The paths asked for so far, in their order.
    pub fn paths(&self) -> Vec<String> {
        self.log().into_iter().map(|request| request.path).collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.lock().log.clear();
    }

    /// Waits until a path that ends so was asked for. Panics after a minute.
    pub fn wait_for(&self, ending: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        let mut state = self.shared.lock();
        while !state
            .log
            .iter()
            .any(|request| request.path.ends_with(ending))
        {
            let left = end
                .checked_duration_since(Instant::now())
                .unwrap_or_else(|| panic!("nobody asked for {ending}: {:?}", state.log));
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// The state, whatever became of the test that held it last: the server still has to end.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream);
        while let Some(request) = read_request(&mut lines)? {
            let (root, fault) = self.note(&request);
            if !self.answer(stream, &request, &root, fault)? {
                break;
            }
        }
        stream.shutdown(Shutdown::Both)
    }

    /// Writes a request down and says from where and how wrongly it is to be answered.
    fn note(&self, request: &Request) -> (PathBuf, Option<Fault>) {
        let mut state = self.lock();
        state.log.push(request.clone());
        self.changed.notify_all();
        let root = state.root.clone();
        let Some((ending, fault)) = state
            .faults
            .iter()
            .find(|(ending, _)| request.path.ends_with(&ending[..]))
        else {
            return (root, None);
        };
        let (ending, fault) = (ending.clone(), fault.clone());
        let left = match &fault {
            Fault::Status(status, n) => Some(Fault::Status(*status, n - 1)).filter(|_| *n > 1),
            Fault::Refuse(n) => Some(Fault::Refuse(n - 1)).filter(|_| *n > 1),
            Fault::Reset(n) => Some(Fault::Reset(n - 1)).filter(|_| *n > 1),
            Fault::MoveTo(root) => {
                state.root = root.clone();
                None
            }
            lasting => Some(lasting.clone()),
        };
        match left {
            Some(left) => state.faults.insert(ending, left),
            None => state.faults.remove(&ending),
        };
        (root, Some(fault))
    }

    /// Answers, and says whether the connection can be kept.
    fn answer(
        &self,
        mut stream: &TcpStream,
        request: &Request,
        root: &std::path::Path,
        fault: Option<Fault>,
    ) -> std::io::Result<bool> {
        match &fault {
            Some(Fault::Missing) => return status(stream, 404, ""),
            Some(Fault::Status(code, _)) => return status(stream, *code, ""),
            Some(Fault::Redirect(to)) => {
                return status(stream, 302, &format!("Location: {to}\r\n"));
            }
            Some(Fault::Refuse(_)) => return Ok(false),
            Some(Fault::Endless) => return endless(stream),
            _ => {}
        }
        let file = root.join(decoded(request.path.trim_start_matches('/')));
        let Ok(mut body) = fs::read(&file) else {
            return status(stream, 404, "");
        };
        if fault == Some(Fault::Wrong)
            && let Some(byte) = body.last_mut()
        {
            *byte ^= 1;
        }
        let total = body.len();
        let from = request
            .range
            .as_deref()
            .and_then(start)
            .filter(|&from| from < total);
        let body = &body[from.unwrap_or(0)..];
        let code = if from.is_some() {
            "206 Partial Content"
        } else {
            "200 OK"
        };
        let range = from
            .map(|from| format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1))
            .unwrap_or_default();
        write!(
            stream,
            "HTTP/1.1 {code}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n{range}\r\n",
            body.len()
        )?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        match fault {
            Some(Fault::Reset(_)) => {
                stream.write_all(&body[..body.len() / 2])?;
                Ok(false)
            }
            Some(Fault::Stall) => {
                stream.write_all(&body[..body.len() / 2])?;
                stream.flush()?;
                self.wait_for_end();
                Ok(false)
            }
            _ => stream.write_all(body).map(|()| true),
        }
    }

    fn wait_for_end(&self) {
        let mut state = self.lock();
        while !state.ended && !state.faults.is_empty() {
            state = self.changed.wait(state).unwrap();
        }
    }
}

fn read_request(lines: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut request = Request {
        method,
        path,
        range: None,
        agent: None,
    };
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return Ok(Some(request));
        };
        match &name.to_lowercase()[..] {
            "range" => request.range = Some(value.to_owned()),
            "user-agent" => request.agent = Some(value.to_owned()),
            _ => {}
        }
    }
}

fn status(mut stream: &TcpStream, code: u16, headers: &str) -> std::io::Result<bool> {
    let body = "<html>A mirror's own words</html>";
    write!(
        stream,
        "HTTP/1.1 {code} Made to order\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(true)
}

/// At most 256 MiB, which no index of a test comes near.
fn endless(mut stream: &TcpStream) -> std::io::Result<bool> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    let block = vec![b'x'; 1 << 20];
    for _ in 0..256 {
        stream.write_all(&block)?;
    }
    Ok(false)
}

/// The first byte of `bytes=FIRST-`.
fn start(range: &str) -> Option<usize> {
    range
        .strip_prefix("bytes=")?
        .split('-')
        .next()?
        .parse()
        .ok()
}

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
