//! Gateway features arrive without a restart: they are put on the routers of a running Mesh, under load.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Noting,
    issuer::{Issuer, keys, url},
    ok,
};
use crate::{
    http::Kept,
    mesh::{Mesh, Place, eventually, flags, words},
};

/// Enforced within this time of the change, in a debug build on a busy machine.
const WITHIN: Duration = Duration::from_secs(1);

/// SHA-256 of `key`.
const HASH: &str = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";

/// Clients for each host, each over one connection.
const CLIENTS: usize = 2;

/// Routers by host; `guards` are the middlewares of those that have any.
fn routes(server: &Noting, middlewares: &Value, guards: &[(&str, &str)]) -> Value {
    let router = |host: &str| {
        let own = guards.iter().filter(|(guarded, _)| *guarded == host);
        let own: Vec<_> = own.map(|(_, guard)| *guard).collect();
        json!({"rule": format!("Host(`{host}.test`)"), "service": "all", "middlewares": own})
    };
    json!({"http": {
        "routers": {"open": router("open"), "token": router("token"), "key": router("key")},
        "services": {"all": {"loadBalancer": {"servers": [{"url": format!("http://{}", server.address)}]}}},
        "middlewares": middlewares,
    }})
}

/// Asks all the time until `end`, with credentials that suffice. Gives the number of requests; each has to be answered.
fn load(web: SocketAddr, host: &str, credentials: &str, end: &AtomicBool, asked: &AtomicUsize) -> usize {
    let mut connection = Kept::new(TcpStream::connect(web).unwrap());
    let request = format!("GET / HTTP/1.1\r\nHost: {host}.test\r\n{credentials}\r\n\r\n");
    let mut count = 0;
    while !end.load(Ordering::Relaxed) {
        let (status, body) = connection.ask(&request).unwrap();
        assert_eq!((status, body.as_str()), (200, "hello"), "{host} after {count}");
        count += 1;
        asked.fetch_add(1, Ordering::Relaxed);
    }
    count
}

/// How long it takes until requests without credentials are refused.
fn enforced(mesh: &Mesh, host: &str) -> Duration {
    let begin = Instant::now();
    eventually("a guard", || {
        (mesh.get(&format!("{host}.test"), "/").status == 401).then_some(())
    });
    begin.elapsed()
}

/// What the API says of an object, less what counts requests.
fn seen(mesh: &Mesh, path: &str) -> Value {
    mesh.ask(path).json()
}

#[test]
fn guards_are_put_on_running_routers_within_a_second_and_no_good_request_fails() {
    let issuer = Issuer::new("a");
    let published = {
        let text = keys(&[&issuer]);
        Noting::new(move |_| text.clone())
    };
    let (place, server) = (Place::new(), Noting::new(|_| ok("hello")));
    let headers = json!({"headers": {"customResponseHeaders": {"X-Mark": "1"}}});
    let write = |middlewares: Value, guards: &[(&str, &str)]| {
        place.write("dynamic.json", &routes(&server, &middlewares, guards).to_string())
    };
    let file = write(json!({"mark": headers}), &[("open", "mark")]);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("open.test", "/", |answer| answer.status == 200);
    let untouched = || {
        [
            seen(&mesh, "/api/http/routers/open@file"),
            seen(&mesh, "/api/http/middlewares/mark@file"),
        ]
    };
    let before = untouched();

    let (web, end, asked) = (
        mesh.address("web"),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let token = format!("Authorization: Bearer {}", issuer.token(json!({"sub": "me"})));
    let clients: Vec<_> = [
        ("open", "X-None: 1"),
        ("token", &token),
        ("key", "X-Api-Key: key"),
    ]
    .into_iter()
    .flat_map(|client| [client; CLIENTS])
    .map(|(host, credentials)| {
        let (end, asked, credentials) = (end.clone(), asked.clone(), credentials.to_owned());
        thread::spawn(move || load(web, host, &credentials, &end, &asked))
    })
    .collect();
    let more = |count: usize| {
        let wanted = asked.load(Ordering::Relaxed) + count;
        eventually("load", || (asked.load(Ordering::Relaxed) > wanted).then_some(()));
    };
    more(200);
    let jwt = json!({"jwt": {"jwks": {"url": url(&published)}, "algorithms": ["EdDSA"], "headers": {"X-User": "sub"}}});
    let api_key = json!({"apiKey": {"keys": [{"id": "me", "hash": HASH}]}});
    let all = json!({"mark": headers, "jwt": jwt, "key": api_key});
    write(
        json!({"mark": headers, "jwt": jwt}),
        &[("open", "mark"), ("token", "jwt")],
    );
    let by_token = enforced(&mesh, "token");
    more(200);
    write(all.clone(), &[("open", "mark"), ("token", "jwt"), ("key", "key")]);
    let by_key = enforced(&mesh, "key");
    more(200);
    assert_eq!(mesh.get("open.test", "/").header("x-mark"), Some("1"));
    assert_eq!(untouched(), before, "the other definitions are as they were");
    // Another change beside them leaves keys and state alone.
    let mut more_of_them = all;
    more_of_them["beside"] = headers.clone();
    write(
        more_of_them,
        &[("open", "mark"), ("token", "jwt"), ("key", "key")],
    );
    eventually("the other change", || {
        let answer = mesh.ask("/api/http/middlewares/beside@file");
        (answer.status == 200).then_some(())
    });
    more(200);
    end.store(true, Ordering::Relaxed);
    // A client whose request failed, or whose connection was closed, has panicked.
    let counts: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    println!("enforced after {by_token:?} and {by_key:?}; requests by client: {counts:?}");
    assert!(by_token < WITHIN && by_key < WITHIN, "{by_token:?} {by_key:?}");
    assert_eq!(published.noted().len(), 1, "the keys were fetched once");
}
