//! What clients, and other sites through them, may try to get in, or to have others get in.

use serde_json::json;

use super::{
    browser::{Browser, callback},
    provider::{Lies, Provider, pairs},
};

#[test]
fn parts_of_sessions_make_a_session_in_their_own_number_and_order_alone() {
    let provider = Provider::new();
    let parted = |letter: &str| {
        provider.lie(Lies {
            claims: json!({"groups": [letter.repeat(7000)]}),
            ..Lies::default()
        });
    };
    parted("g");
    let behind = provider.guards(json!({}));
    let (mut mine, mut other) = (Browser::default(), Browser::default());
    mine.log_in(&behind, "/");
    parted("h");
    other.log_in(&behind, "/");
    assert_eq!(mine.get(&behind, "/").status, 200);
    let name = |index: usize| format!("mesh_session_{index}");
    let (count, first) = mine.0[&name(0)].split_once('.').unwrap();
    let (count, first) = (count.to_owned(), first.to_owned());
    assert!(count.parse::<usize>().unwrap() >= 3, "{count}");
    let changes: [&dyn Fn(&mut Browser); 7] = [
        &|browser| {
            let (one, two) = (browser.0[&name(1)].clone(), browser.0[&name(2)].clone());
            browser.0.insert(name(1), two);
            browser.0.insert(name(2), one);
        },
        &|browser| drop(browser.0.insert(name(1), other.0[&name(1)].clone())),
        &|browser| drop(browser.0.insert(name(0), format!("2.{first}"))),
        &|browser| drop(browser.0.insert(name(0), first.clone())),
        &|browser| drop(browser.0.insert(name(0), format!("{count}.{count}.{first}"))),
        &|browser| browser.0.get_mut(&name(2)).unwrap().truncate(10),
        &|browser| browser.0.get_mut(&name(1)).unwrap().push('A'),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut forged = mine.clone();
        change(&mut forged);
        assert_eq!(forged.get(&behind, "/").status, 302, "change {number}");
    }
    assert_eq!(mine.get(&behind, "/").status, 200);
}

#[test]
fn two_tabs_log_in_beside_each_other_in_any_order_and_not_for_each_other() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    let first = browser.sent_to_log_in(&behind, "/first");
    let second = browser.sent_to_log_in(&behind, "/second");
    let mut mixed = first.clone();
    mixed.insert("state".to_owned(), second["state"].clone());
    assert_eq!(browser.clone().get(&behind, &callback(&mixed)).status, 403);
    for (asked, place) in [(second, "http://a.test/second"), (first, "http://a.test/first")] {
        let back = browser.get(&behind, &callback(&asked));
        assert_eq!((back.status, back.header("location")), (302, Some(place)));
    }
    assert!(browser.has_session());
}

#[test]
fn a_host_of_any_spelling_leads_nobody_elsewhere() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    for (host, target) in [
        ("a.test@evil.test", "/"),
        ("a.test:80@evil.test", "/"),
        ("evil.test/.a.test", "/"),
        ("evil.test?.a.test", "/"),
        ("a.test\\.evil.test", "/"),
        ("", "/"),
        ("a.test", "http://u@evil.test/"),
        ("a.test", "http://evil.test\\@a.test/"),
    ] {
        let mut browser = Browser::default();
        let answer = browser.ask_host(&behind, host, &format!("GET {target} HTTP/1.1"));
        assert_eq!(answer.status, 400, "{host} {target}");
    }
    // Whose own request names another host is asked back to that one, which the provider does not know.
    let mut browser = Browser::default();
    let absolute = browser.ask(&behind, "GET http://b.test/x HTTP/1.1");
    let asked = pairs(absolute.header("location").unwrap().split_once('?').unwrap().1);
    assert_eq!(asked["redirect_uri"], "http://b.test/oauth2/callback");
    // And its answer leads to no other host than the one that gets it.
    let back = browser.get(&behind, &callback(&asked));
    assert_eq!(
        (back.status, back.header("location")),
        (302, Some("http://a.test/"))
    );
}

#[test]
fn what_a_client_says_to_lose_headers_of_ours_loses_none() {
    let provider = Provider::new();
    let behind = provider.guards(json!({"forwardAccessToken": true}));
    let mut browser = Browser::default();
    browser.log_in(&behind, "/");
    let forged =
        "GET / HTTP/1.1\r\nConnection: X-User, Authorization\r\nAuthorization: Bearer mine\r\nX-User: root";
    let answer = browser.ask(&behind, forged);
    if answer.status == 400 {
        return;
    }
    let noted = behind.server.last();
    assert_eq!(
        (answer.status, noted.header("x-user")),
        (200, Some("u-1")),
        "{}",
        noted.head
    );
    assert!(
        !noted.head.contains("root") && !noted.head.contains("Bearer mine"),
        "{}",
        noted.head
    );
    assert!(noted.header("authorization").is_some(), "{}", noted.head);
}

#[test]
fn cookies_of_other_applications_neither_hide_a_session_nor_go_with_it() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    browser.0.insert("aname".to_owned(), "Jérôme".to_owned());
    browser
        .0
        .insert("mesh_session2".to_owned(), "of another".to_owned());
    browser.log_in(&behind, "/");
    assert_eq!(browser.get(&behind, "/").status, 200);
    let seen = behind.server.last().head;
    assert!(seen.contains("rôme; mesh_session2=of another"), "{seen}");
    browser.get(&behind, "/oauth2/logout");
    assert!(!browser.0.contains_key("mesh_session") && browser.0.contains_key("mesh_session2"));
}

#[test]
fn nobody_is_logged_out_or_in_by_another_site() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    browser.log_in(&behind, "/");
    for request in [
        "GET /oauth2/logout HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate",
        "GET /oauth2/logout HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image",
        "POST /oauth2/logout HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0",
        "PUT /oauth2/logout HTTP/1.1\r\nContent-Length: 0",
    ] {
        let answer = browser.ask(&behind, request);
        assert!(matches!(answer.status, 403 | 405), "{request}");
        assert!(answer.all("set-cookie").is_empty(), "{request}");
    }
    assert_eq!(browser.get(&behind, "/").status, 200);
    // A session of somebody else, handed over as a link: no login began here.
    let (mut evil, before) = (Browser::default(), browser.0.clone());
    let asked = evil.sent_to_log_in(&behind, "/");
    assert_eq!(browser.get(&behind, &callback(&asked)).status, 400);
    assert_eq!(browser.0, before);
}
