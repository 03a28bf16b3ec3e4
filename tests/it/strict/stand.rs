//! A client with bytes, Mesh, and the recording server behind it.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use super::Recorder;
use crate::mesh::{Mesh, Place, flags, words};

/// What no row should wait for longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Mesh with one worker, and a server that takes everything.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) mesh: Mesh,
    pub(super) server: Recorder,
    bystanders: Cell<usize>,
    _place: Place,
}

/// What a client sends, and what has to come of it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    bytes: Vec<u8>,
    answers: Vec<u16>,
    seen: Vec<(String, String)>,
    closes: bool,
    broken_off: bool,
}

impl Row {
    /// Answered with `status`, the connection closed, nothing sent to a server.
    pub(super) fn refused_with(status: u16, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            bytes: bytes.as_ref().to_vec(),
            answers: vec![status],
            seen: Vec::new(),
            closes: true,
            broken_off: false,
        }
    }

    /// The same with 400.
    pub(super) fn refused(bytes: impl AsRef<[u8]>) -> Self {
        Self::refused_with(400, bytes)
    }

    /// Comes to the server as these requests, each a line and a body, in this order, each answered.
    pub(super) fn becomes(bytes: impl AsRef<[u8]>, seen: &[(&str, &str)]) -> Self {
        let seen = seen.iter();
        Self {
            bytes: bytes.as_ref().to_vec(),
            answers: seen.clone().map(|_| 200).collect(),
            seen: seen
                .map(|(line, body)| ((*line).to_owned(), (*body).to_owned()))
                .collect(),
            closes: false,
            broken_off: false,
        }
    }

    /// After that, one more answer; then the connection is closed.
    pub(super) fn then_refused(mut self, status: u16) -> Self {
        self.answers.push(status);
        self.closes = true;
        self
    }

    /// Mesh closes the connection after the last answer.
    pub(super) fn closed(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Mesh answers with `status` itself before.
    pub(super) fn after(mut self, status: u16) -> Self {
        self.answers.insert(0, status);
        self
    }

    /// Refused when its head is on its way: a server may have the beginning of it, and nothing more.
    pub(super) fn broken_off(mut self) -> Self {
        self.broken_off = true;
        self
    }
}

impl Stand {
    /// A server that answers with the line of each request.
    pub(super) fn echoing() -> Self {
        Self::new(Recorder::new(|_, _| super::Act::Echo), &[])
    }

    /// Everything goes to `server`; `more` are flags.
    pub(super) fn new(server: Recorder, more: &[&str]) -> Self {
        let document = format!(
            "http:\n  routers: {{all: {{rule: \"PathPrefix(`/`)\", service: all}}, ready: {{rule: \"Path(`/ready`)\", \
             priority: 1000, service: none}}}}\n  services: {{none: {{loadBalancer: {{servers: []}}}}, all: {{loadBalancer: {{servers: \
             [{{url: \"http://{}\"}}]}}}}}}\n",
            server.address
        );
        Self::with_document(server, &document, more)
    }

    /// As `document` says.
    pub(super) fn with_document(server: Recorder, document: &str, more: &[&str]) -> Self {
        let place = Place::new();
        let mut flags = flags(&place.write("routes.yml", document));
        flags.push("--workers=1".to_owned());
        flags.extend(more.iter().map(|&flag| flag.to_owned()));
        let mesh = place.start(&words(&flags));
        let stand = Self {
            mesh,
            server,
            bystanders: Cell::new(0),
            _place: place,
        };
        crate::mesh::eventually("the routes", || {
            let answer = stand.talk(b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n", true);
            (!answer.starts_with("HTTP/1.1 404")).then_some(())
        });
        stand.server.forget();
        stand
    }

    /// A connection of a client.
    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.mesh.address("web")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends bytes and reads until the connection is closed; with `half_close` the client says that it is done.
    pub(super) fn talk(&self, bytes: &[u8], half_close: bool) -> String {
        String::from_utf8_lossy(&self.talk_bytes(bytes, half_close)).into_owned()
    }

    /// The same, in bytes.
    pub(super) fn talk_bytes(&self, bytes: &[u8], half_close: bool) -> Vec<u8> {
        self.talk_to_end(bytes, half_close).0
    }

    /// The same, and whether the end was a reset.
    pub(super) fn talk_to_end(&self, bytes: &[u8], half_close: bool) -> (Vec<u8>, bool) {
        let mut stream = self.connect();
        let mut writer = stream.try_clone().unwrap();
        let sent = bytes.to_vec();
        // A peer that refuses early may not take it all.
        let writing = std::thread::spawn(move || {
            let _refused = writer.write_all(&sent);
            if half_close {
                let _gone = writer.shutdown(Shutdown::Write);
            }
        });
        let answered = read_bytes(&mut stream, bytes);
        drop(stream);
        writing.join().unwrap();
        answered
    }

    /// Plays rows, and names the one that fails.
    pub(super) fn play(&self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            self.play_one(&row);
        }
    }

    fn play_one(&self, row: &Row) {
        let shown = String::from_utf8_lossy(&row.bytes[..row.bytes.len().min(600)]).into_owned();
        self.server.forget();
        let text = self.talk(&row.bytes, !row.closes);
        assert_eq!(statuses(&text), row.answers, "{shown:?} was answered {text:?}");
        self.bystander(&shown);
        let mut requests = Vec::new();
        for heard in self.server.heard() {
            assert_eq!(heard.bad, None, "{shown:?} became {heard:?}");
            let whole: usize = heard.requests.len();
            assert!(
                whole > 0 || heard.bytes.is_empty() || row.broken_off,
                "{shown:?} became {heard:?}"
            );
            requests.extend(heard.requests);
        }
        let seen: Vec<_> = requests
            .iter()
            .filter(|request| !request.target.starts_with("/bystander"))
            .map(|request| {
                (
                    request.line(),
                    String::from_utf8_lossy(&request.body).into_owned(),
                )
            })
            .collect();
        assert_eq!(seen, row.seen, "{shown:?} became that");
    }

    /// Another client gets its own answer.
    pub(super) fn bystander(&self, after: &str) {
        let number = self.bystanders.get();
        self.bystanders.set(number + 1);
        let request = format!("GET /bystander/{number} HTTP/1.1\r\nHost: bystander.test\r\n\r\n");
        let text = self.talk(request.as_bytes(), true);
        let own = format!("\r\n\r\nGET /bystander/{number}");
        assert!(
            text.starts_with("HTTP/1.1 200") && text.ends_with(&own),
            "after {after:?} another client got {text:?}"
        );
    }
}

/// Everything until the connection is closed; a reset closes it too.
pub(super) fn read_to_end(stream: &mut TcpStream, of: &[u8]) -> String {
    String::from_utf8_lossy(&read_bytes(stream, of).0).into_owned()
}

/// The same in bytes, and whether it was a reset.
fn read_bytes(stream: &mut TcpStream, of: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    if let Err(error) = &end {
        let waited = matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        );
        assert!(
            !waited,
            "still open: {:?} was answered {:?}",
            String::from_utf8_lossy(&of[..of.len().min(600)]),
            String::from_utf8_lossy(&bytes)
        );
    }
    (bytes, end.is_err())
}

/// The status of each final answer. Bodies hold no status lines.
pub(super) fn statuses(text: &str) -> Vec<u16> {
    let lines = text.match_indices("HTTP/1.1 ");
    lines
        .filter_map(|(at, found)| text.get(at + found.len()..at + found.len() + 3)?.parse().ok())
        .filter(|status| *status >= 200)
        .collect()
}
