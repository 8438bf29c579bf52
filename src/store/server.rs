//! A small HTTP server on loopback for tests, which answers what a script says, faults included.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The target: a path, or a whole URL where we are a proxy.
    pub(crate) target: String,
    /// Headers, names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// Which connection brought it.
    pub(crate) connection: usize,
    /// How many requests for the same target came before it.
    pub(crate) before: usize,
}

impl Asked {
    /// A header, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The first byte of the range asked for.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.header("range")
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    KeepAlive,
    Close,
    Reset,
    /// Nothing more, until the server ends.
    Hang,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// What Content-Length says; none: no such header.
    pub(crate) length: Option<usize>,
    pub(crate) then: Then,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Reply {
        Reply {
            status,
            ..Reply::of(b"")
        }
    }

    pub(crate) fn of(body: &[u8]) -> Reply {
        Reply {
            status: 200,
            headers: Vec::new(),
            body: body.to_vec(),
            length: Some(body.len()),
            then: Then::KeepAlive,
        }
    }

    /// The whole, or the part that is asked for with the right validator.
    pub(crate) fn ranged(asked: &Asked, content: &[u8], tag: &str) -> Reply {
        let reply = match asked.offset().filter(|_| asked.header("if-range") == tag) {
            None => Reply::of(content),
            Some(at) if at >= content.len() => Reply::status(416),
            Some(at) => {
                let range = format!("bytes {at}-{}/{}", content.len() - 1, content.len());
                Reply {
                    status: 206,
                    ..Reply::of(&content[at..])
                }
                .with("Content-Range", range)
            }
        };
        reply.with("ETag", tag)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// The same head, but only the first `bytes` of the body, and then `then`.
    pub(crate) fn cut(mut self, bytes: usize, then: Then) -> Reply {
        self.body.truncate(bytes);
        Reply { then, ..self }
    }
}

/// The server. Dropping it ends every connection.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
    /// Hears of each request, when its answer is on its way.
    pub(crate) answered: Receiver<Asked>,
}

struct Shared {
    script: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    open: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, open, ended) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked,
            open,
            ended,
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

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn listen(self: Arc<Shared>, listener: &TcpListener, tell: &Sender<Asked>) {
        let mut threads = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            if self.ended.load(Ordering::SeqCst) {
                break;
            }
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
            let (inside, tell) = (Arc::clone(&self), tell.clone());
            threads.push(thread::spawn(move || inside.serve(stream, number, &tell)));
        }
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn serve(&self, mut stream: TcpStream, connection: usize, tell: &Sender<Asked>) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(mut asked) = read_request(&mut reader, connection) {
            {
                let mut all = self.asked.lock().unwrap();
                asked.before = all.iter().filter(|a| a.target == asked.target).count();
                all.push(asked.clone());
            }
            let reply = (self.script)(&asked);
            let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
            if let Some(length) = reply.length {
                head.push_str(&format!("Content-Length: {length}\r\n"));
            }
            for (name, value) in &reply.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            if reply.then == Then::Close {
                head.push_str("Connection: close\r\n");
            }
            head.push_str("\r\n");
            let sent = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&reply.body));
            let _ = tell.send(asked);
            match reply.then {
                Then::KeepAlive if sent.is_ok() => continue,
                Then::Hang => drop(stream.read(&mut [0])),
                Then::Reset => {
                    let linger = libc::linger {
                        l_onoff: 1,
                        l_linger: 0,
                    };
                    nix::sys::socket::setsockopt(
                        &stream,
                        nix::sys::socket::sockopt::Linger,
                        &linger,
                    )
                    .unwrap();
                    self.open
                        .lock()
                        .unwrap()
                        .retain(|s| s.peer_addr().ok() != stream.peer_addr().ok());
                    return;
                }
                _ => {}
            }
            break;
        }
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn read_request(reader: &mut impl BufRead, connection: usize) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Asked {
        target,
        headers,
        connection,
        before: 0,
    })
}
