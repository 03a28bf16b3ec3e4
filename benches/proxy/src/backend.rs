//! The servers behind the proxy: they answer every request with as many bytes as its path says.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as Listener},
    rc::Rc,
    thread,
};

use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task,
};

/// The sizes there are; the path of 100 bytes is `/100`.
pub(crate) const SIZES: [usize; 3] = [100, 10 * 1024, 1024 * 1024];

/// How many there are; the proxies take them in turn.
const SERVERS: usize = 2;

/// Heads of requests that are longer than this are not read to their end.
const MAX_HEAD: usize = 16 * 1024;

/// Starts them in one thread, which runs where the caller runs and to the end of the process.
pub(crate) fn start() -> io::Result<Vec<SocketAddr>> {
    let listen = |_| Listener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = (0..SERVERS).map(listen).collect::<io::Result<Vec<_>>>()?;
    let addresses = listeners.iter().map(Listener::local_addr).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    thread::Builder::new().name("backend".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(task::LocalSet::new().run_until(serve(listeners))) {
            eprintln!("the backend ended: {error}");
        }
    })?;
    addresses
}

async fn serve(listeners: Vec<Listener>) -> io::Result<()> {
    let answers: Rc<[Answer]> = SIZES.map(Answer::new).into();
    let accepting = listeners
        .into_iter()
        .map(|listener| accept(listener, answers.clone()));
    try_join_all(accepting).await.map(drop)
}

async fn accept(listener: Listener, answers: Rc<[Answer]>) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        task::spawn_local(connection(stream, answers.clone()));
    }
}

struct Answer {
    /// How a request for it begins.
    request: Vec<u8>,
    /// Head and body.
    bytes: Vec<u8>,
}

impl Answer {
    fn new(size: usize) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.resize(bytes.len() + size, b'x');
        Self {
            request: format!("GET /{size} ").into_bytes(),
            bytes,
        }
    }
}

async fn connection(mut stream: TcpStream, answers: Rc<[Answer]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::with_capacity(1024);
    loop {
        // No proxy sends the next request before it has the answer, and none has a body.
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await? == 0 || request.len() > MAX_HEAD {
                return Ok(());
            }
        }
        let Some(answer) = answers.iter().find(|answer| request.starts_with(&answer.request)) else {
            return Ok(());
        };
        stream.write_all(&answer.bytes).await?;
        request.clear();
    }
}
