//! A server that does exactly what a test tells it to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What the server does with one request.
#[derive(Clone)]
pub(super) enum Act {
    /// Writes this; the connection stays.
    Write(String),
    /// Writes this and closes.
    WriteAndClose(String),
    /// Nothing, for ever.
    Nothing,
    /// Writes this and sends back whatever comes.
    Echo(String),
}

/// A server on a port of its own; ends when dropped.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Does with the n-th request what `script` says of its number and text (head and what came with it).
    pub(super) async fn new(script: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (connections, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let script = Arc::new(script);
        let mut tasks = JoinSet::new();
        let seen = (heads.clone(), connections.clone(), closed.clone());
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            let (heads, connections, closed) = seen;
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (heads, closed, script) = (heads.clone(), closed.clone(), script.clone());
                clients.spawn(async move {
                    converse(stream, &heads, &*script).await;
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            heads,
            connections,
            closed,
            _tasks: tasks,
        }
    }

    /// Answers every request with 200 and `body`.
    pub(super) async fn answering(body: &'static str) -> Self {
        Self::new(move |_, _| Act::Write(super::ok(body))).await
    }

    /// What came, request by request.
    pub(super) fn requests(&self) -> Vec<String> {
        self.heads.lock().clone()
    }

    /// Connections accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections that have ended.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

async fn converse(
    mut stream: TcpStream,
    heads: &Mutex<Vec<String>>,
    script: &(impl Fn(usize, &str) -> Act + Send + Sync),
) {
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut heads = heads.lock();
            heads.push(request.clone());
            heads.len()
        };
        match script(number, &request) {
            Act::Write(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
            Act::WriteAndClose(bytes) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                return;
            }
            Act::Nothing => {
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest).await);
                return;
            }
            Act::Echo(bytes) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                let (mut from, mut to) = stream.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
                return;
            }
        }
    }
}

/// A head and its body, as framed.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            let complete = match length {
                Some(length) => body.len() >= length.parse().unwrap(),
                None if head.contains("transfer-encoding: chunked") => {
                    let last_chunk = body.starts_with("0\r\n") || body.contains("\r\n0\r\n");
                    last_chunk && body.ends_with("\r\n\r\n")
                }
                None => true,
            };
            if complete {
                return String::from_utf8(bytes).ok();
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
