//! A server behind Mesh: says its name.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// A server that runs to the end of the test process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    gate: Arc<Gate>,
}

/// Holds answers back while it is closed.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    waiting: Mutex<usize>,
    changed: Condvar,
}

impl Server {
    /// A server that answers every request with `name`.
    pub(crate) fn named(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let shared = gate.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let gate = shared.clone();
                thread::spawn(move || serve(&stream, name, &gate));
            }
        });
        Self { address, gate }
    }

    /// As a document writes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Holds all answers back from now on.
    pub(crate) fn hold(&self) {
        *self.gate.closed.lock().unwrap() = true;
    }

    /// Requests that are held back.
    pub(crate) fn held(&self) -> usize {
        *self.gate.waiting.lock().unwrap()
    }

    /// Lets all answers go.
    pub(crate) fn release(&self) {
        *self.gate.closed.lock().unwrap() = false;
        self.gate.changed.notify_all();
    }
}

fn serve(stream: &TcpStream, name: &str, gate: &Gate) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let mut bytes = 0;
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(count) => bytes += count,
            }
            if line == "\r\n" && bytes > 2 {
                break;
            }
        }
        *gate.waiting.lock().unwrap() += 1;
        drop(
            gate.changed
                .wait_while(gate.closed.lock().unwrap(), |closed| *closed)
                .unwrap(),
        );
        *gate.waiting.lock().unwrap() -= 1;
        let mut stream = stream;
        if write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
            name.len()
        )
        .is_err()
        {
            return;
        }
    }
}
