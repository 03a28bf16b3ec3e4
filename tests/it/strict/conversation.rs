//! One connection of the recording server.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    message::{Message, Read},
    recorder::{Act, Heard},
};

/// A connection with Mesh, led by hand. What comes over it is noted; dropped, it is closed.
pub(super) struct Conversation {
    stream: TcpStream,
    /// Its place among the connections of its server.
    pub(super) number: usize,
    heard: Arc<Mutex<Vec<Heard>>>,
    pending: Vec<u8>,
}

impl Conversation {
    pub(super) fn new(stream: TcpStream, number: usize, heard: Arc<Mutex<Vec<Heard>>>) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            number,
            heard,
            pending: Vec::new(),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().unwrap()[self.number]);
    }

    /// The next whole request; `None` at the end, or when what comes is none. Bystanders are answered in passing.
    pub(super) fn request(&mut self) -> Option<Message> {
        loop {
            match Message::read(&self.pending) {
                Read::Part => self.more()?,
                Read::Bad(reason) => {
                    self.note(|heard| heard.bad = Some(reason));
                    return None;
                }
                Read::Whole(message, length) => {
                    self.pending.drain(..length);
                    self.note(|heard| heard.requests.push(message.clone()));
                    if !message.target.starts_with("/bystander") {
                        return Some(message);
                    }
                    self.write(echo(&message)).then_some(())?;
                }
            }
        }
    }

    /// The next head, as soon as it is there; what follows is taken with [`Self::pending`].
    pub(super) fn head(&mut self) -> Option<String> {
        loop {
            let text = String::from_utf8_lossy(&self.pending);
            if text.starts_with("GET /bystander") {
                let message = match Message::read(&self.pending) {
                    Read::Whole(message, length) => {
                        self.pending.drain(..length);
                        message
                    }
                    Read::Part | Read::Bad(_) => {
                        self.more()?;
                        continue;
                    }
                };
                self.write(echo(&message)).then_some(())?;
            } else if let Some(end) = text.find("\r\n\r\n") {
                let head = self.pending.drain(..end + 4).collect();
                return String::from_utf8(head).ok();
            } else {
                self.more()?;
            }
        }
    }

    /// What came and was not taken yet, at least `length` bytes.
    pub(super) fn pending(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.pending.len() < length {
            self.more()?;
        }
        Some(std::mem::take(&mut self.pending))
    }

    /// Reads `bytes` again.
    pub(super) fn put_back(&mut self, bytes: Vec<u8>) {
        self.pending.splice(..0, bytes);
    }

    /// Takes `length` bytes and forgets them.
    pub(super) fn skip(&mut self, length: usize) -> Option<()> {
        let mut left = length;
        loop {
            let taken = left.min(self.pending.len());
            self.pending.drain(..taken);
            left -= taken;
            if left == 0 {
                return Some(());
            }
            self.more()?;
        }
    }

    /// Reads nothing more, until the other end is gone.
    pub(super) fn wait_for_end(&mut self) {
        let mut byte = [0];
        // An end shows up behind what is not read, so what shows up is a reset, or silence.
        while self.stream.peek(&mut byte).is_ok_and(|count| count > 0) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// What comes within `time`, together with what was not taken yet.
    pub(super) fn pending_within(&mut self, time: Duration) -> Vec<u8> {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let _silent = self.more();
        self.stream.set_read_timeout(None).unwrap();
        std::mem::take(&mut self.pending)
    }

    /// Reads to the end; gives what came and was not taken yet.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        while self.more().is_some() {}
        std::mem::take(&mut self.pending)
    }

    /// Waits for bytes.
    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16384];
        let count = self.stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        self.pending.extend_from_slice(&buffer[..count]);
        self.note(|heard| heard.bytes.extend_from_slice(&buffer[..count]));
        Some(())
    }

    /// False when the connection is over.
    pub(super) fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// The end will be a reset.
    pub(super) fn reset(&mut self) {
        let _gone = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// False when the connection is over.
    pub(super) fn act(&mut self, act: Act, message: &Message) -> bool {
        match act {
            Act::Echo => self.write(echo(message)),
            Act::Write(bytes) => self.write(bytes),
            Act::WriteAndClose(bytes) => {
                let _gone = self.write(bytes);
                let _gone = self.stream.shutdown(Shutdown::Both);
                false
            }
            Act::Reset => {
                self.reset();
                false
            }
            Act::Nothing => {
                self.rest();
                false
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.note(|heard| heard.ended = true);
    }
}

/// The answer that says which request it was.
pub(super) fn echo(message: &Message) -> Vec<u8> {
    let line = message.line();
    let body = if message.method == "HEAD" { "" } else { &line };
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", line.len()).into_bytes()
}
