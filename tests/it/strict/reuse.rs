//! Servers that end their connection as a request is sent.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{Caller, Recorder, Stand, conversation::echo};

/// How a connection is ended.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Fin,
    Reset,
}

/// When a connection is ended.
#[derive(Debug, Clone, Copy)]
enum When {
    /// In place of the answer to its first request.
    Fresh,
    /// In place of the answer to a later request.
    Reused,
}

/// A server that loses its second request once, on a fresh connection or on the one of the first.
fn losing(ending: Ending, when: When) -> Stand {
    let seen = AtomicUsize::new(0);
    let server = Recorder::by_hand(move |talk| {
        while let Some(request) = talk.request() {
            let number = seen.fetch_add(1, Ordering::SeqCst);
            if number == 1 {
                if matches!(ending, Ending::Reset) {
                    talk.reset();
                }
                return;
            }
            let mut answer = String::from_utf8(echo(&request)).unwrap();
            if number == 0 && matches!(when, When::Fresh) {
                answer = answer.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            }
            if !talk.write(answer) {
                return;
            }
        }
    });
    Stand::new(server, &["--entryPoints.web.http.reasonHeader=true"])
}

#[test]
fn a_get_that_a_server_lost_is_answered_all_the_same() {
    for ending in [Ending::Fin, Ending::Reset] {
        for when in [When::Fresh, When::Reused] {
            let stand = losing(ending, when);
            for target in ["/first", "/lost", "/next"] {
                let get = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
                let text = stand.talk(get.as_bytes(), true);
                let whole = text.starts_with("HTTP/1.1 200") && text.ends_with(&format!("GET {target}"));
                assert!(whole, "{ending:?} {when:?}: {text:?}");
            }
        }
    }
}

#[test]
fn a_post_that_a_server_lost_is_502_and_was_executed_once() {
    for ending in [Ending::Fin, Ending::Reset] {
        for when in [When::Fresh, When::Reused] {
            for (fields, body) in [
                ("Content-Length: 2", "hi"),
                ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"),
                ("Content-Length: 0", ""),
            ] {
                let stand = losing(ending, when);
                let post = |target: &str| {
                    let post = format!("POST {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n{body}");
                    stand.talk(post.as_bytes(), true)
                };
                let first = post("/first");
                assert!(
                    first.starts_with("HTTP/1.1 200"),
                    "{ending:?} {when:?} {fields}: {first:?}"
                );
                let lost = post("/lost");
                assert!(lost.starts_with("HTTP/1.1 502"), "{ending:?} {when:?}: {lost:?}");
                let next = post("/next");
                assert!(next.starts_with("HTTP/1.1 200"), "{ending:?} {when:?}: {next:?}");
                let requests = stand.server.requests();
                let lost = requests
                    .iter()
                    .filter(|request| request.target == "/lost")
                    .count();
                assert_eq!(lost, 1, "{ending:?} {when:?} {fields}");
            }
        }
    }
}

/// A server that ends each connection soon after an answer, when no other request has come by then: about when the
/// next one is sent.
fn racing(ending: Ending) -> Stand {
    let turn = AtomicUsize::new(0);
    let server = Recorder::by_hand(move |talk| {
        while let Some(request) = talk.request() {
            if !talk.write(echo(&request)) {
                return;
            }
            let wait = turn.fetch_add(1, Ordering::SeqCst) % 8;
            let beginning = talk.pending_within(Duration::from_micros(400 * wait as u64 + 1));
            if beginning.is_empty() {
                break;
            }
            talk.put_back(beginning);
        }
        if matches!(ending, Ending::Reset) {
            talk.reset();
        }
    });
    Stand::new(server, &[])
}

#[test]
fn servers_that_close_as_a_request_is_sent_fail_no_get_and_run_no_post_twice() {
    for ending in [Ending::Fin, Ending::Reset] {
        let stand = racing(ending);
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let mut caller = Caller::new(&stand);
                thread::spawn(move || {
                    let mut answered = BTreeMap::new();
                    for turn in 0..150 {
                        let method = if turn % 3 == 2 { "POST" } else { "GET" };
                        let target = format!("/{client}/{turn}");
                        let (fields, body) = match method {
                            "POST" => ("Content-Length: 2\r\n", "hi"),
                            _ => ("", ""),
                        };
                        caller.send(format!(
                            "{method} {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}"
                        ));
                        let answer = caller.answer(method);
                        match answer.status {
                            200 => assert_eq!(answer.text(), format!("{method} {target}")),
                            status => assert_eq!((method, status), ("POST", 502), "{ending:?} {target}"),
                        }
                        answered.insert(target, answer.status);
                        thread::park_timeout(Duration::from_micros(300 * (turn % 9)));
                    }
                    answered
                })
            })
            .collect();
        let mut executed: BTreeMap<String, usize> = BTreeMap::new();
        let answered: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        for request in stand.server.requests() {
            *executed.entry(request.target.clone()).or_default() += usize::from(request.method == "POST");
        }
        for (target, status) in answered.into_iter().flatten() {
            let times = executed.get(&target).copied().unwrap_or_default();
            assert!(times <= 1, "{ending:?}: {target} ran {times} times");
            assert!(status != 200 || executed.contains_key(&target), "{target}");
        }
    }
}
