//! A server that keeps every byte it gets.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use super::{conversation::Conversation, message::Message};

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    pub(super) bytes: Vec<u8>,
    pub(super) requests: Vec<Message>,
    /// Why it was no HTTP.
    pub(super) bad: Option<String>,
    /// The connection is over, whoever ended it.
    pub(super) ended: bool,
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

/// A server that runs to the end of the test process.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    connections: Arc<Mutex<Vec<Heard>>>,
}

impl Recorder {
    /// A server that does what `script` says of a request and its number on its connection.
    pub(super) fn new(script: impl Fn(&Message, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::by_hand(move |talk| {
            let mut answered = 0;
            while let Some(message) = talk.request() {
                answered += 1;
                if !talk.act(script(&message, answered), &message) {
                    return;
                }
            }
        })
    }

    /// A server whose every connection is led by `script`; it ends with it.
    pub(super) fn by_hand(script: impl Fn(&mut Conversation) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (heard, script) = (connections.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, script) = (heard.clone(), script.clone());
                let number = {
                    let mut heard: std::sync::MutexGuard<'_, Vec<Heard>> = heard.lock().unwrap();
                    heard.push(Heard::default());
                    heard.len() - 1
                };
                thread::spawn(move || {
                    let mut talk = Conversation::new(stream, number, heard);
                    script(&mut talk);
                });
            }
        });
        Self { address, connections }
    }

    /// Everything that came so far, connection by connection.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.connections.lock().unwrap().clone()
    }

    /// All requests so far.
    pub(super) fn requests(&self) -> Vec<Message> {
        let heard = self.heard().into_iter();
        heard.flat_map(|heard| heard.requests).collect()
    }

    /// Forgets what came; connections stay.
    pub(super) fn forget(&self) {
        for heard in self.connections.lock().unwrap().iter_mut() {
            *heard = Heard {
                ended: heard.ended,
                ..Heard::default()
            };
        }
    }
}
