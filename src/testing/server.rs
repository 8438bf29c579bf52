//! An HTTP/1.1 server on loopback that answers each request as a function of the test says, faults
//! included.
//!
//! It keeps connections alive and logs every request. [`mirror`](super::mirror) serves a directory
//! with it.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// The target: a path, or a whole URL for a proxy.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// What came after the headers, as far as Content-Length says.
    pub body: Vec<u8>,
    /// The number of the connection that brought it.
    pub connection: usize,
    /// How many requests for the same target came before it.
    pub before: usize,
}

impl Asked {
    /// A header's value; empty if the request has no such header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The first byte of the range asked for.
    pub fn offset(&self) -> Option<usize> {
        let range = self.header("range").strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does after the body of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    KeepAlive,
    Close,
    /// Resets the connection.
    Reset,
    /// Sends nothing more and keeps the connection open until the client or the server ends.
    Hang,
    /// Goes on with 256 MiB of bytes.
    Flood,
    /// Repeats the last bytes for ever, this many at a time, with pauses of 50 ms.
    Drip(usize),
}

/// The pause between two parts of a [`Then::Drip`].
const DRIP: Duration = Duration::from_millis(50);

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The value of Content-Length; without one the header is left out.
    pub length: Option<usize>,
    pub then: Then,
    /// Whether to end the connection without sending any of this.
    pub unanswered: bool,
    /// What is sent in place of the status line and the headers.
    pub raw_head: Option<Vec<u8>>,
}

impl Reply {
    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            ..Reply::of(b"")
        }
    }

    pub fn of(body: &[u8]) -> Reply {
        Reply {
            status: 200,
            headers: Vec::new(),
            body: body.to_vec(),
            length: Some(body.len()),
            then: Then::KeepAlive,
            unanswered: false,
            raw_head: None,
        }
    }

    /// A body after this head, which is sent as it is; then the connection is closed.
    pub fn raw(head: impl Into<Vec<u8>>, body: &[u8]) -> Reply {
        Reply {
            raw_head: Some(head.into()),
            then: Then::Close,
            ..Reply::of(body)
        }
    }

    /// The body in chunks of this size, without a declared length.
    pub fn chunked(body: &[u8], size: usize) -> Reply {
        let mut encoded = Vec::new();
        for chunk in body.chunks(size) {
            encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            encoded.extend_from_slice(chunk);
            encoded.extend_from_slice(b"\r\n");
        }
        encoded.extend_from_slice(b"0\r\n\r\n");
        let reply = Reply {
            length: None,
            ..Reply::of(&encoded)
        };
        reply.with("Transfer-Encoding", "chunked")
    }

    /// Ends the connection without an answer.
    pub fn none() -> Reply {
        Reply {
            unanswered: true,
            ..Reply::of(b"")
        }
    }

    /// The whole content, or the range asked for.
    pub fn range(asked: &Asked, content: &[u8]) -> Reply {
        let Some(at) = asked.offset() else {
            return Reply::of(content);
        };
        if at >= content.len() {
            return Reply::status(416);
        }
        let range = format!("bytes {at}-{}/{}", content.len() - 1, content.len());
        let reply = Reply {
            status: 206,
            ..Reply::of(&content[at..])
        };
        reply.with("Content-Range", range)
    }

    /// As [`Reply::range`], but a range is served only under the right validator.
    pub fn ranged(asked: &Asked, content: &[u8], tag: &str) -> Reply {
        let reply = if asked.header("if-range") == tag {
            Reply::range(asked, content)
        } else {
            Reply::of(content)
        };
        reply.with("ETag", tag)
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// The same head with only the first `bytes` of the body, and then `then`.
    pub fn cut(mut self, bytes: usize, then: Then) -> Reply {
        self.body.truncate(bytes);
        Reply { then, ..self }
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        if let Some(length) = self.length {
            head += &format!("Content-Length: {length}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if matches!(self.then, Then::Close | Then::Flood | Then::Drip(_)) {
            head += "Connection: close\r\n";
        }
        head + "\r\n"
    }
}

/// A running server. Dropping it ends every connection.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
    /// Receives each request once its answer is sent.
    pub answered: Receiver<Asked>,
}

struct Shared {
    answer: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    log: Mutex<Vec<Asked>>,
    logged: Condvar,
    open: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

impl Server {
    /// Starts a server on a port of its own.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            log: Mutex::default(),
            logged: Condvar::new(),
            open: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let (tell, answered) = channel();
        let inside = Arc::clone(&shared);
        let listener = thread::spawn(move || inside.listen(&listener, &tell));
        Server {
            address,
            shared,
            listener: Some(listener),
            answered,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.log().clone()
    }

    /// Clears the log of requests.
    pub fn clear_log(&self) {
        self.shared.log().clear();
    }

    /// Waits for a request whose target ends with `ending`. Panics after a minute.
    pub fn wait_for(&self, ending: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        let mut log = self.shared.log();
        while !log.iter().any(|asked| asked.target.ends_with(ending)) {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                panic!("no request for {ending}: {log:?}");
            };
            let waited = self.shared.logged.wait_timeout(log, left);
            log = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A connection wakes the listener, which then sees the end.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

impl Shared {
    /// The log, even if the test that held it last has panicked: the server still has to end.
    fn log(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(self: Arc<Shared>, listener: &TcpListener, tell: &Sender<Asked>) {
        let mut threads = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            if self.ended.load(Ordering::SeqCst) {
                break;
            }
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
            let inside = Arc::clone(&self);
            let tell = tell.clone();
            threads.push(thread::spawn(move || inside.serve(stream, number, &tell)));
        }
        for stream in self.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        for thread in threads {
            drop(thread.join());
        }
    }

    fn serve(&self, mut stream: TcpStream, connection: usize, tell: &Sender<Asked>) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(mut asked) = read_request(&mut reader, connection) {
            let mut log = self.log();
            asked.before = log.iter().filter(|a| a.target == asked.target).count();
            log.push(asked.clone());
            drop(log);
            self.logged.notify_all();
            let mut reply = (self.answer)(&asked);
            if reply.unanswered {
                break;
            }
            if asked.method == "HEAD" {
                reply.body.clear();
            }
            let sent = send(&mut stream, &reply);
            drop(tell.send(asked));
            match reply.then {
                Then::KeepAlive if sent.is_ok() => continue,
                Then::KeepAlive | Then::Close => {}
                Then::Hang => drop(stream.read(&mut [0])),
                Then::Flood => drop(flood(&mut stream)),
                Then::Drip(count) => drop(self.drip(&mut stream, &reply.body, count)),
                Then::Reset => return self.reset(&stream),
            }
            break;
        }
        drop(stream.shutdown(Shutdown::Both));
    }

    fn drip(&self, stream: &mut TcpStream, body: &[u8], count: usize) -> io::Result<()> {
        let mut part = body[body.len().saturating_sub(count)..].to_vec();
        part.resize(count, b'x');
        while !self.ended.load(Ordering::SeqCst) {
            stream.write_all(&part)?;
            thread::sleep(DRIP);
        }
        Ok(())
    }

    /// Closes a connection so that the kernel sends a reset: without lingering, and without another
    /// handle on it.
    fn reset(&self, stream: &TcpStream) {
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
        let peer = stream.peer_addr().ok();
        let mut open = self.open.lock().unwrap();
        open.retain(|other| other.peer_addr().ok() != peer);
    }
}

fn send(stream: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    match &reply.raw_head {
        Some(head) => stream.write_all(head)?,
        None => stream.write_all(reply.head().as_bytes())?,
    }
    stream.write_all(&reply.body)
}

fn flood(stream: &mut TcpStream) -> io::Result<()> {
    let block = vec![b'x'; 1 << 20];
    for _ in 0..256 {
        stream.write_all(&block)?;
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead, connection: usize) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: Option<&String> = headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        target,
        headers,
        body,
        connection,
        before: 0,
    })
}
