//! Clients that take their time, or all of it.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Act, Caller, Recorder, Stand, recorder::Heard};
use crate::mesh::eventually;

/// The beginning of a request that never ends.
const HEAD: &str = "GET /slow HTTP/1.1\r\nHost: h\r\nX: ";

/// A flag that sets a limit of clients.
fn limit(name: &str, value: &str) -> String {
    format!("--entryPoints.web.transport.respondingTimeouts.{name}={value}")
}

fn echoing(flags: &[String]) -> Stand {
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    Stand::new(Recorder::new(|_, _| Act::Echo), &flags)
}

/// Sends a byte again and again until Mesh takes no more, at most `count` times.
fn drip(caller: &mut Caller, byte: &str, pause: Duration, count: usize) {
    for _ in 0..count {
        thread::park_timeout(pause);
        if !caller.try_send(byte) {
            return;
        }
    }
}

#[test]
fn a_head_in_drips_is_408_when_its_time_is_over() {
    let stand = echoing(&[limit("readHeaderTimeout", "400ms")]);
    for beginning in ["G", "GET /slow HT", "GET /slow HTTP/1.1\r\n", HEAD] {
        let mut caller = Caller::new(&stand);
        let begin = Instant::now();
        caller.send(beginning);
        let mut writer = caller.writer();
        let dripping = thread::spawn(move || drip(&mut writer, "x", Duration::from_millis(10), 1000));
        let answer = caller.answer("GET");
        let (rest, _) = caller.rest();
        assert_eq!((answer.status, &*rest), (408, ""), "{beginning:?}");
        let taken = begin.elapsed();
        assert!(taken >= Duration::from_millis(300), "{beginning:?}: {taken:?}");
        assert!(taken < Duration::from_secs(5), "{beginning:?}: {taken:?}");
        dripping.join().unwrap();
    }
    assert!(stand.server.requests().is_empty());
    stand.bystander("drips");
}

#[test]
fn a_body_below_the_minimum_rate_is_408_and_an_honest_slow_one_lives() {
    let stand = echoing(&[limit("minBodyRate", "500"), limit("bodyGraceTime", "300ms")]);
    let slow = |byte: &'static str, length: usize| {
        let mut caller = Caller::new(&stand);
        caller.send(format!(
            "POST /{length} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
        ));
        let mut writer = caller.writer();
        let count = length / byte.len();
        let dripping = thread::spawn(move || drip(&mut writer, byte, Duration::from_millis(10), count));
        (caller, dripping)
    };
    // About 100 bytes a second, and 10,000.
    let (mut slower, slower_drips) = slow("x", 1000);
    let (mut honest, honest_drips) = slow("x".repeat(100).leak(), 10_000);
    assert_eq!(slower.answer("POST").status, 408);
    assert_eq!(slower.rest().0, "");
    assert_eq!(honest.answer("POST").text(), "POST /10000");
    slower_drips.join().unwrap();
    honest_drips.join().unwrap();
    let bodies: Vec<_> = stand
        .server
        .requests()
        .iter()
        .map(|request| request.body.len())
        .collect();
    assert_eq!(bodies, [10_000]);
    stand.bystander("slow bodies");
}

#[test]
fn a_body_that_stalls_is_408_and_no_server_gets_an_end_of_it() {
    let stand = echoing(&[limit("readTimeout", "300ms")]);
    for beginning in [
        "Content-Length: 5\r\n\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
    ] {
        let mut caller = Caller::new(&stand);
        caller.send(format!("POST /slow HTTP/1.1\r\nHost: h\r\n{beginning}"));
        assert_eq!(caller.answer("POST").status, 408, "{beginning:?}");
        assert_eq!(caller.rest().0, "", "{beginning:?}");
        stand.bystander(beginning);
    }
    let requests = stand.server.requests();
    assert!(
        requests.iter().all(|request| request.target != "/slow"),
        "{requests:?}"
    );
}

#[test]
fn a_client_that_takes_no_answer_is_cut() {
    let size = 64 << 20;
    let server = Recorder::new(move |message, _| match message.target == "/large" {
        true => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            Act::Write([head.into_bytes(), vec![b'x'; size]].concat())
        }
        false => Act::Echo,
    });
    let stand = Stand::new(server, &[&limit("writeTimeout", "300ms")]);
    let mut caller = Caller::new(&stand);
    caller.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    let is_large = |heard: &Heard| heard.requests.iter().any(|request| request.target == "/large");
    eventually("the server is let go", || {
        let heard = stand.server.heard();
        heard
            .iter()
            .any(|heard| is_large(heard) && heard.ended)
            .then_some(())
    });
    let (text, _) = caller.rest();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.len() < size,
        "{}",
        text.len()
    );
    stand.bystander("no reading");
}

#[test]
fn a_connection_without_requests_is_closed_when_its_time_is_over() {
    let stand = echoing(&[limit("idleTimeout", "300ms")]);
    let mut fresh = Caller::new(&stand);
    let mut used = Caller::new(&stand);
    used.send("GET /used HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(used.answer("GET").text(), "GET /used");
    assert_eq!(used.rest().0, "");
    assert_eq!(fresh.rest().0, "");
}

#[test]
fn many_slow_clients_leave_others_unharmed() {
    let stand = echoing(&[]);
    let clients: Vec<_> = (0..300)
        .map(|number| {
            let mut caller = Caller::new(&stand);
            match number % 3 {
                0 => {}
                1 => caller.send(HEAD),
                _ => caller.send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"),
            }
            caller
        })
        .collect();
    let begin = Instant::now();
    for _ in 0..20 {
        stand.bystander("many slow clients");
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop(clients);
}
