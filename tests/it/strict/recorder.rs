//! A server that keeps every byte it gets.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::message::{Message, Read};

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    pub(super) bytes: Vec<u8>,
    pub(super) requests: Vec<Message>,
    /// Why it was no HTTP.
    pub(super) bad: Option<String>,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Says which request it was.
    Echo,
    /// Writes this; the connection stays.
    Write(Vec<u8>),
    /// Writes this and closes.
    WriteAndClose(Vec<u8>),
    /// Closes with a reset.
    Reset,
    /// Nothing, for ever.
    Nothing,
}

impl Act {
    pub(super) fn write(text: &str) -> Self {
        Self::Write(text.as_bytes().to_vec())
    }

    pub(super) fn write_and_close(text: &str) -> Self {
        Self::WriteAndClose(text.as_bytes().to_vec())
    }
}

/// What to do with a request, by the request and its number on its connection.
type Script = dyn Fn(&Message, usize) -> Act + Send + Sync;

/// A server that runs to the end of the test process.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    connections: Arc<Mutex<Vec<Heard>>>,
}

impl Recorder {
    /// A server that does what `script` says.
    pub(super) fn new(script: impl Fn(&Message, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (heard, script): (_, Arc<Script>) = (connections.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, script) = (heard.clone(), script.clone());
                let number = {
                    let mut heard = heard.lock().unwrap();
                    heard.push(Heard::default());
                    heard.len() - 1
                };
                thread::spawn(move || {
                    converse(stream, &*script, |change| {
                        change(&mut heard.lock().unwrap()[number])
                    })
                });
            }
        });
        Self { address, connections }
    }

    /// Everything that came so far, connection by connection.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.connections.lock().unwrap().clone()
    }

    /// Forgets what came; connections stay.
    pub(super) fn forget(&self) {
        for heard in self.connections.lock().unwrap().iter_mut() {
            *heard = Heard::default();
        }
    }
}

/// The answer that says which request it was.
fn echo(message: &Message) -> Vec<u8> {
    let line = message.line();
    let body = if message.method == "HEAD" { "" } else { &line };
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", line.len()).into_bytes()
}

fn converse(mut stream: TcpStream, script: &Script, note: impl Fn(&dyn Fn(&mut Heard))) {
    let (mut pending, mut answered) = (Vec::new(), 0);
    let mut buffer = [0; 16384];
    loop {
        match Message::read(&pending) {
            Read::Part => match stream.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    let bytes = &buffer[..count];
                    note(&|heard| heard.bytes.extend_from_slice(bytes));
                    pending.extend_from_slice(bytes);
                }
                _ => return,
            },
            Read::Bad(reason) => return note(&|heard| heard.bad = Some(reason.clone())),
            Read::Whole(message, length) => {
                pending.drain(..length);
                note(&|heard| heard.requests.push(message.clone()));
                answered += 1;
                if !act(&mut stream, script(&message, answered), &message) {
                    return;
                }
            }
        }
    }
}

/// False when the connection is over.
fn act(stream: &mut TcpStream, act: Act, message: &Message) -> bool {
    match act {
        Act::Echo => stream.write_all(&echo(message)).is_ok(),
        Act::Write(bytes) => stream.write_all(&bytes).is_ok(),
        Act::WriteAndClose(bytes) => {
            let _gone = stream.write_all(&bytes);
            let _gone = stream.shutdown(Shutdown::Both);
            false
        }
        Act::Reset => {
            let _gone = socket2::SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO));
            false
        }
        Act::Nothing => {
            let _silent = std::io::copy(stream, &mut std::io::sink());
            false
        }
    }
}
