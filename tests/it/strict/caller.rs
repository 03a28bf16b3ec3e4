//! A client that leads its connection step by step.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use super::{Answer, Stand};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// In order.
    Closed,
    /// With a reset.
    Reset,
}

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) stream: TcpStream,
    got: Vec<u8>,
}

impl Caller {
    pub(super) fn new(stand: &Stand) -> Self {
        let stream = stand.connect();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            got: Vec::new(),
        }
    }

    /// The same connection, to send over it from another thread.
    pub(super) fn writer(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
            got: Vec::new(),
        }
    }

    /// Sends bytes, all of them.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends bytes; false when Mesh takes them no more.
    pub(super) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends nothing more.
    pub(super) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The whole answer to a `method` request; the connection stays where the answer does not end with it.
    pub(super) fn answer(&mut self, method: &str) -> Answer {
        let answer = self.try_answer(method);
        answer.unwrap_or_else(|| panic!("closed after {:?}", String::from_utf8_lossy(&self.got)))
    }

    /// The same, or `None` when the connection ended without it.
    pub(super) fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let mut over = false;
        loop {
            let mut rest = &self.got[..];
            match Answer::take(&mut rest, method, over) {
                Ok(Some(answer)) => {
                    self.got = rest.to_vec();
                    return Some(answer);
                }
                Ok(None) if over => return None,
                Ok(None) => over = self.more().is_some(),
                Err(reason) => panic!("{reason} in {:?}", String::from_utf8_lossy(&self.got)),
            }
        }
    }

    /// Waits until `text` was received.
    pub(super) fn read_until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.got).contains(text) {
            let end = self.more();
            assert_eq!(
                end,
                None,
                "before {text:?}: {:?}",
                String::from_utf8_lossy(&self.got)
            );
        }
    }

    /// What came and was not taken yet, and all that comes until the end of the connection.
    pub(super) fn rest(&mut self) -> (String, End) {
        loop {
            if let Some(end) = self.more() {
                return (String::from_utf8_lossy(&self.got).into_owned(), end);
            }
        }
    }

    /// Waits for bytes, or the end.
    fn more(&mut self) -> Option<End> {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => Some(End::Closed),
            Ok(count) => {
                self.got.extend_from_slice(&buffer[..count]);
                None
            }
            Err(error) => {
                let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(
                    !waited,
                    "still open after {:?}",
                    String::from_utf8_lossy(&self.got)
                );
                Some(End::Reset)
            }
        }
    }
}
