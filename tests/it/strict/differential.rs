//! Laws: what servers get is what clients meant, and what clients get is what servers meant, or nothing.

use std::sync::{Arc, Mutex};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    Act, Answer, Recorder, Stand,
    odd::{self, Piece, Readings},
};

/// As many cases as `PROPTEST_CASES` says.
fn check<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, law: impl Fn(T)) {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |case| {
        law(case);
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

#[test]
fn what_servers_get_is_what_clients_meant() {
    let stand = Stand::echoing();
    check(prop::collection::vec(odd::request(), 1..5), |pieces| {
        stand.server.forget();
        let bytes = pieces
            .iter()
            .map(|piece| &*piece.bytes)
            .collect::<Vec<_>>()
            .concat();
        let answered = stand.talk_bytes(&bytes, true);
        stand.bystander("odd requests");
        let mut seen = Vec::new();
        for heard in stand.server.heard() {
            assert_eq!(heard.bad, None);
            let requests = heard.requests.into_iter();
            seen.extend(requests.filter(|request| !request.target.starts_with("/bystander")));
        }
        // The first ones, in order, as they were meant, and each of them answered.
        assert!(seen.len() <= pieces.len(), "{seen:?}");
        let mut rest = &answered[..];
        for (request, piece) in seen.iter().zip(&pieces) {
            assert_eq!(request.line(), piece.line);
            assert!(
                request.body == piece.body,
                "the body of {} is another",
                piece.line
            );
            assert_ne!(piece.readings, Readings::Several, "{} passed", piece.line);
            let answer = Answer::take(&mut rest, &request.method, true).unwrap().unwrap();
            let body = if request.method == "HEAD" {
                ""
            } else {
                &*piece.line
            };
            assert_eq!((answer.status, &*answer.text()), (200, body), "{answer:?}");
            // An old client knows neither a go-ahead nor another version.
            let version = if piece.is_old { "HTTP/1.0" } else { "HTTP/1.1" };
            assert_eq!(answer.version, version, "{answer:?}");
            assert!(!piece.is_old || answer.interim.is_empty(), "{answer:?}");
        }
        // What did not pass is refused, and nothing that follows it is answered.
        let ended = seen.last().is_some_and(|_| pieces[seen.len() - 1].is_last);
        match pieces.get(seen.len()) {
            Some(piece) if !ended => {
                let refusal = Answer::take(&mut rest, "HEAD", true).unwrap();
                let status = refusal.map(|refusal| refusal.status);
                assert!(matches!(status, Some(400..500)), "{} got {status:?}", piece.line);
                assert!(!has_answer(rest), "{:?}", String::from_utf8_lossy(rest));
                assert_ne!(piece.readings, Readings::One, "{} was refused", piece.line);
            }
            _ => assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(rest)),
        }
    });
}

fn has_answer(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"HTTP/1.")
}

#[test]
fn what_clients_get_is_what_servers_meant_or_looks_broken() {
    let reply = Arc::new(Mutex::new(Vec::new()));
    let script = reply.clone();
    let server = Recorder::new(move |message, _| match &*message.target {
        "/odd" => Act::WriteAndClose(script.lock().unwrap().clone()),
        _ => Act::Echo,
    });
    let stand = Stand::new(server, &[]);
    let case = (odd::answer(), any::<bool>());
    check(case, |(piece, old): (Piece, bool)| {
        stand.server.forget();
        reply.lock().unwrap().clone_from(&piece.bytes);
        let version = if old { "HTTP/1.0" } else { "HTTP/1.1" };
        let request = format!("PUT /odd {version}\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        let (answered, was_reset) = stand.talk_to_end(request.as_bytes(), true);
        stand.bystander("odd answers");
        // Chunks of HTTP/1.0 are none, and fail here.
        let answer = Answer::take(&mut &answered[..], "PUT", true).unwrap();
        assert!(
            answer.as_ref().is_none_or(|answer| answer.version == version),
            "{answer:?}"
        );
        let whole = answer.filter(|answer| answer.is_whole && !(answer.until_close && was_reset));
        match whole {
            // Mesh says that there is no answer.
            Some(answer) if answer.status == 502 => assert_ne!(piece.readings, Readings::One),
            Some(answer) => {
                assert_ne!(piece.readings, Readings::Several, "{answer:?}");
                assert!(answer.body == piece.body, "{answer:?}");
            }
            None => assert_ne!(piece.readings, Readings::One),
        }
    });
}
