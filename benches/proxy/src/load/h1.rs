//! HTTP/1.1: constant requests, one after the other on each connection.

use std::{
    cell::Cell,
    future::Future,
    io::{self, Error, ErrorKind},
    rc::Rc,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

use super::{Conn, Front, Protocol};
use crate::{backend::SIZES, peer::host};

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// Headers that an answer may have.
const MAX_HEADERS: usize = 32;

/// Leads from one host to one far away in the list, and to all of them in the end: it is prime.
const STRIDE: usize = 7919;

/// The requests of a run, ready to be sent, spread over all hosts.
#[derive(Debug)]
pub(crate) struct Requests {
    texts: Vec<String>,
    /// Bytes of the body that each answer has to have.
    body: usize,
}

impl Requests {
    pub(crate) fn new(hosts: usize, body: usize) -> Self {
        Self::with(hosts, body, "")
    }

    /// Requests after which the connection ends.
    pub(crate) fn closing(hosts: usize, body: usize) -> Self {
        Self::with(hosts, body, "Connection: close\r\n")
    }

    fn with(hosts: usize, body: usize, header: &str) -> Self {
        let text = |number| request(&host(number), body, header);
        let texts = (0..hosts).map(text).collect();
        Self { texts, body }
    }

    fn nth(&self, number: usize) -> &[u8] {
        let at = number.wrapping_mul(STRIDE).checked_rem(self.texts.len());
        at.and_then(|at| self.texts.get(at))
            .map_or(&[], |text| text.as_bytes())
    }

    /// Sends the request of this number and takes the answer off.
    ///
    /// # Errors
    ///
    /// When the answer is not 200, or not whole; the connection is of no use then.
    pub(super) async fn exchange(
        &self,
        number: usize,
        conn: &mut Conn,
        buffer: &mut [u8],
    ) -> io::Result<After> {
        exchange(self.nth(number), self.body, conn, buffer).await
    }
}

fn request(host: &str, body: usize, header: &str) -> String {
    format!(
        "GET /{body} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mesh-bench-proxy\r\nAccept: */*\r\n{header}\r\n"
    )
}

/// What becomes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    Kept,
    Closed,
}

async fn exchange(request: &[u8], body: usize, conn: &mut Conn, buffer: &mut [u8]) -> io::Result<After> {
    conn.write_all(request).await?;
    conn.flush().await?;
    let mut filled = 0;
    let head = loop {
        filled += read(conn, buffer.get_mut(filled..).unwrap_or_default()).await?;
        if let Some(head) = Head::parse(buffer.get(..filled).unwrap_or_default())? {
            break head;
        }
    };
    if head.status != 200 || head.body != body {
        return Err(Error::other(format!("{head:?} in place of 200 and {body} bytes")));
    }
    let mut left = (head.length + head.body)
        .checked_sub(filled)
        .ok_or_else(too_much)?;
    while left > 0 {
        let space = left.min(buffer.len());
        left -= read(conn, buffer.get_mut(..space).unwrap_or_default()).await?;
    }
    Ok(head.after)
}

async fn read(conn: &mut Conn, space: &mut [u8]) -> io::Result<usize> {
    match conn.read(space).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        count => Ok(count),
    }
}

fn too_much() -> Error {
    Error::other("more bytes than were announced")
}

#[derive(Debug)]
struct Head {
    status: u16,
    /// Bytes of the head itself.
    length: usize,
    body: usize,
    after: After,
}

impl Head {
    /// `None` while it is not whole.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes).map_err(Error::other)? else {
            return Ok(None);
        };
        let (mut body, mut after) = (0, After::Kept);
        for header in &*response.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let value = std::str::from_utf8(header.value).map_err(Error::other)?;
                body = value.parse().map_err(Error::other)?;
            } else if header.name.eq_ignore_ascii_case("connection") && header.value == b"close" {
                after = After::Closed;
            }
        }
        let status = response.code.unwrap_or_default();
        Ok(Some(Self {
            status,
            length,
            body,
            after,
        }))
    }
}

/// Asks once for a host, on a connection of its own.
pub(crate) async fn probe(front: &Front, host: &str) -> io::Result<()> {
    let mut conn = front.connect(Protocol::Http1).await?;
    let [size, ..] = SIZES;
    let request = request(host, size, "Connection: close\r\n");
    exchange(request.as_bytes(), size, &mut conn, &mut buffer())
        .await
        .map(drop)
}

/// Opens connections one after the other, with one request on each.
pub(crate) async fn open(front: &Front, count: usize, requests: &Requests) -> io::Result<Vec<Conn>> {
    let mut buffer = buffer();
    let mut conns = Vec::with_capacity(count);
    for number in 0..count {
        let mut conn = front.connect(Protocol::Http1).await?;
        requests.exchange(number, &mut conn, &mut buffer).await?;
        conns.push(conn);
    }
    Ok(conns)
}

/// Sends `total` requests, as fast as the answers come; gives the connections back.
pub(crate) async fn saturate(
    conns: Vec<Conn>,
    requests: Rc<Requests>,
    total: usize,
) -> io::Result<Vec<Conn>> {
    let next = Rc::new(Cell::new(0));
    let asking = conns.into_iter().map(|mut conn| {
        let (next, requests) = (next.clone(), requests.clone());
        async move {
            let mut buffer = buffer();
            while let Some(number) = take(&next, total) {
                requests.exchange(number, &mut conn, &mut buffer).await?;
            }
            Ok(conn)
        }
    });
    all(asking).await
}

/// Sends `total` requests, each on a connection of its own, from so many clients at once.
pub(crate) async fn one_each(
    front: &Front,
    clients: usize,
    requests: Rc<Requests>,
    total: usize,
) -> io::Result<()> {
    let next = Rc::new(Cell::new(0));
    let asking = (0..clients).map(|_| {
        let (next, requests, front) = (next.clone(), requests.clone(), front.clone());
        async move {
            let mut buffer = buffer();
            while let Some(number) = take(&next, total) {
                let mut conn = front.connect(Protocol::Http1).await?;
                requests.exchange(number, &mut conn, &mut buffer).await?;
                // It is the proxy that closes. How it takes leave is not what is measured here.
                let _ = conn.read(&mut buffer).await;
            }
            Ok(())
        }
    });
    all(asking).await.map(drop)
}

/// The number of the next request, while there are any.
pub(super) fn take(next: &Cell<usize>, total: usize) -> Option<usize> {
    let number = next.get();
    next.set(number + 1);
    (number < total).then_some(number)
}

/// Runs tasks beside each other to their end, or to the first error.
pub(super) async fn all<T, F>(tasks: impl Iterator<Item = F>) -> io::Result<Vec<T>>
where
    T: 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    let mut set = JoinSet::new();
    for task in tasks {
        set.spawn_local(task);
    }
    let mut done = Vec::with_capacity(set.len());
    while let Some(ended) = set.join_next().await {
        done.push(ended.map_err(Error::other).flatten()?);
    }
    Ok(done)
}

pub(super) fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn requests_are_spread_over_all_hosts() {
        let requests = Requests::new(1000, 100);
        let hosts: BTreeSet<_> = (0..1000).map(|number| requests.nth(number)).collect();
        assert_eq!(hosts.len(), 1000);
        assert!(
            requests
                .nth(1)
                .starts_with(b"GET /100 HTTP/1.1\r\nHost: h919.bench.test\r\n")
        );
    }

    #[test]
    fn the_head_of_an_answer_tells_its_length_and_whether_the_connection_lasts() {
        let text = b"HTTP/1.1 200 OK\r\nconnection: close\r\nCONTENT-LENGTH: 3\r\n\r\nabc";
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.body), (200, text.len() - 3, 3));
        assert_eq!(head.after, After::Closed);
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n").unwrap().is_none());
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[tokio::test]
    async fn an_answer_of_the_wrong_length_is_an_error() {
        let (conn, mut other) = tokio::io::duplex(1024);
        let mut conn: Conn = Box::new(conn);
        other
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
            .await
            .unwrap();
        let answer = Requests::new(1, 100).exchange(0, &mut conn, &mut buffer()).await;
        assert!(
            answer
                .unwrap_err()
                .to_string()
                .contains("in place of 200 and 100 bytes")
        );
    }
}
