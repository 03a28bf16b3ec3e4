//! A server for many connections at a time, that does what a test tells it to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// What the server does with one request.
pub(crate) enum Act {
    /// Answers with this status and text.
    Answer(u16, String),
    /// The same, and closes without having announced it.
    AnswerAndClose(String),
    /// Closes.
    Close,
    /// Switches protocols, and sends back whatever comes.
    Echo,
}

/// One request: its head and as much of a body as that says.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: usize,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.head.to_ascii_lowercase().contains("\r\nupgrade: websocket")
    }
}

/// Runs to the end of the test process, on one thread.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Peer {
    /// Does with each request what `script` says.
    pub(crate) fn new(script: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let accepted = Arc::new(AtomicUsize::new(0));
        let (tell, told) = oneshot::channel();
        let count = accepted.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let script = Arc::new(script);
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    count.fetch_add(1, Ordering::SeqCst);
                    let script = script.clone();
                    // The other end may be killed at any time.
                    tokio::spawn(async move { drop(converse(stream, &*script).await) });
                }
            });
        });
        Self {
            address: told.blocking_recv().unwrap(),
            accepted,
        }
    }

    /// Answers every request with `name`, and those for an upgrade with an echo.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::new(move |request| match request.is_upgrade() {
            true => Act::Echo,
            false => Act::Answer(200, name.to_owned()),
        })
    }

    /// As a document writes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn converse(mut stream: TcpStream, script: &impl Fn(&Request) -> Act) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        let answer = |status, text: &str| {
            format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            )
        };
        match script(&request) {
            Act::Answer(status, text) => stream.write_all(answer(status, &text).as_bytes()).await?,
            Act::AnswerAndClose(text) => {
                stream.write_all(answer(200, &text).as_bytes()).await?;
                return Ok(());
            }
            Act::Close => return Ok(()),
            Act::Echo => {
                let head =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&buffer).await?;
                return echo(stream).await;
            }
        }
    }
    Ok(())
}

/// The next request; `None` at the end of the connection. What follows it stays in `buffer`.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let mut part = [0; 2048];
    loop {
        let end = buffer.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
            let length = head.to_ascii_lowercase();
            let length = length.split("\r\ncontent-length: ").nth(1);
            let body = length.map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
            let mut left: usize = body;
            loop {
                let taken = left.min(buffer.len());
                buffer.drain(..taken);
                left -= taken;
                if left == 0 {
                    return Ok(Some(Request { head, body }));
                }
                let length = stream.read(&mut part).await?;
                if length == 0 {
                    return Ok(None);
                }
                buffer.extend_from_slice(&part[..length]);
            }
        }
        let length = stream.read(&mut part).await?;
        if length == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(&part[..length]);
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut part = [0; 128];
    loop {
        let length = stream.read(&mut part).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&part[..length]).await?;
    }
}
