//! Logins at an OpenID provider of few words, as a browser goes through them. `integration/` has a real provider.

mod attacks;
mod browser;
mod provider;

use std::{sync::atomic::Ordering, thread};

use serde_json::{Value, json};

use self::{
    browser::{Browser, callback},
    provider::{Lies, Provider, pairs},
};
use super::{Behind, document};
use crate::mesh::eventually;

/// What seals sessions.
const SECRET: &str = "a secret of at least thirty-two bytes";

#[test]
fn a_user_logs_in_comes_back_and_servers_are_told_who_it_is() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    let asked = browser.sent_to_log_in(&behind, "/private?x=1");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "shop"),
        ("scope", "openid profile email"),
        ("redirect_uri", "http://a.test/oauth2/callback"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    let back = browser.get(&behind, &callback(&asked));
    assert_eq!(
        (back.status, back.header("location")),
        (302, Some("http://a.test/private?x=1"))
    );
    assert!(
        back.all("set-cookie")
            .iter()
            .all(|line| line.ends_with("; Secure"))
    );
    assert!(
        behind.server.noted().is_empty(),
        "nothing reached the server so far"
    );

    let forged = "GET /private?x=1 HTTP/1.1\r\nX-User: root\r\nX_User: root\r\nX.Groups: admins";
    let page = browser.ask(&behind, forged);
    assert_eq!((page.status, page.text().as_str()), (200, "hello"));
    assert!(page.all("set-cookie").is_empty());
    let noted = behind.server.last();
    assert_eq!(
        (noted.header("x-user"), noted.header("x-groups")),
        (Some("u-1"), Some("a,b"))
    );
    assert!(
        !noted.head.contains("root") && !noted.head.contains("admins"),
        "{}",
        noted.head
    );
    assert_eq!(noted.header("cookie"), None, "servers do not see the session");
    assert_eq!(provider.asked("authorization_code"), 1);
    let state = behind.state("login").to_string();
    assert!(
        state.contains("shop") && !state.contains("s3cret") && !state.contains(SECRET),
        "{state}"
    );
}

#[test]
fn programs_are_told_to_log_in_and_not_sent_anywhere() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    for request in [
        "POST / HTTP/1.1\r\nContent-Length: 0",
        "GET / HTTP/1.1\r\nX-Requested-With: XMLHttpRequest",
        "GET / HTTP/1.1\r\nAccept: application/json",
        "GET / HTTP/1.1\r\nSec-Fetch-Mode: cors",
    ] {
        let answer = behind.ask(request);
        assert_eq!(
            (answer.status, answer.header("location")),
            (401, None),
            "{request}"
        );
        assert!(answer.header("www-authenticate").is_some());
    }
    assert!(behind.server.noted().is_empty());
}

#[test]
fn an_answer_counts_in_the_browser_that_asked_and_once() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    let asked = browser.sent_to_log_in(&behind, "/");
    let right = callback(&asked);
    // Another browser, to which somebody gave the link.
    assert_eq!(Browser::default().get(&behind, &right).status, 400);
    // Another state, made up or of another login.
    let other = browser.clone().sent_to_log_in(&behind, "/");
    for state in ["", "x", &asked["state"][..10], &other["state"]] {
        let forged = right.replace(&asked["state"], state);
        assert_eq!(browser.clone().get(&behind, &forged).status, 400, "{state}");
    }
    // A login that was changed.
    for (name, value) in &browser.0.clone() {
        let mut other = browser.clone();
        other.0.insert(name.clone(), swapped(value));
        assert_eq!(other.get(&behind, &right).status, 400);
    }
    assert_eq!(provider.asked("authorization_code"), 0);
    // The code of somebody else: its verifier is not ours.
    let stolen = right.replace(&asked["code_challenge"], &other["code_challenge"]);
    assert_eq!(browser.clone().get(&behind, &stolen).status, 403);
    let replaced = right.replace(&asked["nonce"], &other["nonce"]);
    assert_eq!(
        browser.clone().get(&behind, &replaced).status,
        403,
        "the nonce is of another login"
    );
    let named = format!("{right}&iss=https%3A%2F%2Fevil.test");
    assert_eq!(browser.clone().get(&behind, &named).status, 400);

    assert_eq!(browser.get(&behind, &right).status, 302);
    assert_eq!(browser.get(&behind, &right).status, 400, "the login is over");
    assert_eq!(browser.get(&behind, "/").status, 200);
}

/// `text` with one letter in its middle changed.
fn swapped(text: &str) -> String {
    let at = text.len() / 2;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

#[test]
fn a_session_that_was_changed_is_none() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    browser.log_in(&behind, "/");
    assert_eq!(browser.get(&behind, "/").status, 200);
    let session = browser.0["mesh_session"].clone();
    for value in [
        swapped(&session),
        session[..session.len() - 2].to_owned(),
        "x".to_owned(),
        String::new(),
    ] {
        let mut other = browser.clone();
        other.0.insert("mesh_session".to_owned(), value);
        assert_eq!(other.get(&behind, "/").status, 302);
    }
    // What is sealed for a login is no session.
    let mut other = Browser::default();
    other.sent_to_log_in(&behind, "/");
    let login = other.0.values().next().unwrap().clone();
    other.0.insert("mesh_session".to_owned(), login);
    assert_eq!(other.get(&behind, "/").status, 302);
}

#[test]
fn tokens_that_do_not_hold_make_no_session() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    for (claims, head) in [
        (json!({"iss": "http://evil.test"}), None),
        (json!({"aud": "other"}), None),
        (json!({"aud": ["shop", "other"]}), None),
        (json!({"azp": "other"}), None),
        (json!({"exp": 1}), None),
        (json!({"exp": null}), None),
        (json!({"nonce": "x"}), None),
        (json!({"sub": ""}), None),
        (json!({}), Some(json!({"alg": "none"}))),
        (json!({}), Some(json!({"alg": "HS256", "kid": "a"}))),
        (json!({}), Some(json!({"alg": "EdDSA", "kid": "unknown"}))),
    ] {
        provider.lie(Lies {
            claims: claims.clone(),
            head: head.clone(),
            ..Lies::default()
        });
        let mut browser = Browser::default();
        let answer = browser.log_in(&behind, "/");
        assert_eq!(answer.status, 403, "{claims} {head:?}: {}", answer.text());
        assert!(!browser.has_session());
    }
    let mut browser = Browser::default();
    let asked = browser.sent_to_log_in(&behind, "/");
    let refused = format!("/oauth2/callback?error=access_denied&state={}", asked["state"]);
    let answer = browser.get(&behind, &refused);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (403, "the login was refused: access_denied\n")
    );
    assert!(behind.server.noted().is_empty());
}

#[test]
fn a_login_returns_to_the_host_it_came_from_whatever_the_path() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    for target in [
        "//evil.test/x",
        "/\\evil.test",
        "/%2F%2Fevil.test",
        "/a?u=https://evil.test",
    ] {
        let mut browser = Browser::default();
        let answer = browser.get(&behind, target);
        if answer.status == 400 {
            continue;
        }
        let location = answer.header("location").unwrap().to_owned();
        let back = browser.get(&behind, &callback(&pairs(location.split_once('?').unwrap().1)));
        assert!(
            back.header("location").unwrap().starts_with("http://a.test/"),
            "{}",
            back.head
        );
    }
}

#[test]
fn claims_have_to_be_what_is_asked_for() {
    let provider = Provider::new();
    let rule = |value: &str| json!({"claims": [{"name": "groups", "values": [value]}]});
    for (group, status) in [("b", 200), ("admins", 403)] {
        let behind = provider.guards(rule(group));
        let mut browser = Browser::default();
        browser.log_in(&behind, "/");
        assert_eq!(browser.get(&behind, "/").status, status, "{group}");
    }
}

#[test]
fn a_session_larger_than_a_cookie_is_kept_in_parts() {
    let provider = Provider::new();
    provider.lie(Lies {
        claims: json!({"groups": ["g".repeat(6000)]}),
        ..Lies::default()
    });
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    let back = browser.log_in(&behind, "/");
    assert!(back.all("set-cookie").iter().all(|line| line.len() < 4096));
    assert!(browser.0.len() > 2, "{:?}", browser.0.keys());
    assert_eq!(browser.get(&behind, "/").status, 200);
    assert_eq!(behind.server.last().header("cookie"), None);
    let mut without = browser.clone();
    without.0.remove("mesh_session_1");
    assert_eq!(without.get(&behind, "/").status, 302, "a part is missing");
    // A shorter session takes the place of all parts.
    provider.lie(Lies::default());
    browser.log_in_again(&behind);
    assert_eq!(browser.0.keys().collect::<Vec<_>>(), ["mesh_session"]);
}

#[test]
fn tokens_are_refreshed_once_however_many_requests_need_it() {
    let provider = Provider::new();
    let behind = provider.guards(json!({"forwardAccessToken": true}));
    let mut browser = Browser::default();
    // Less than the time before the end at which tokens are refreshed.
    provider.lie(Lies {
        lasts: Some(10),
        ..Lies::default()
    });
    browser.log_in(&behind, "/");
    provider.lie(Lies::default());
    let answers: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let mut browser = browser.clone();
                let behind = &behind;
                scope.spawn(move || (browser.get(behind, "/").status, browser))
            })
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(provider.asked("refresh_token"), 1);
    assert!(answers.iter().all(|(status, _)| *status == 200));
    let noted = behind.server.noted();
    assert!(
        noted
            .iter()
            .all(|noted| noted.header("authorization") == Some("Bearer access-2"))
    );
    // Whoever is late with the session of before gets the same; the new one is good for a while.
    assert_eq!(browser.get(&behind, "/").status, 200);
    let mut renewed = answers[0].1.clone();
    let answer = renewed.get(&behind, "/");
    assert!(answer.status == 200 && answer.all("set-cookie").is_empty());
    assert_eq!(provider.asked("refresh_token"), 1);
}

#[test]
fn a_session_ends_when_the_provider_says_so_and_not_when_it_is_away() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    provider.lie(Lies {
        lasts: Some(10),
        ..Lies::default()
    });
    browser.log_in(&behind, "/");
    provider.is_out.store(true, Ordering::SeqCst);
    assert_eq!(
        browser.get(&behind, "/").status,
        200,
        "a provider that is away ends no session"
    );
    provider.is_out.store(false, Ordering::SeqCst);
    provider.lie(Lies {
        no_refresh: true,
        ..Lies::default()
    });
    eventually("an end of: the session goes on", || {
        (browser.get(&behind, "/").status != 200).then_some(())
    });
    assert_eq!(browser.get(&behind, "/").status, 302);
}

#[test]
fn nobody_logs_in_while_the_provider_is_away_and_everybody_after() {
    let provider = Provider::new();
    provider.is_out.store(true, Ordering::SeqCst);
    let behind = provider.guards(json!({}));
    let answer = behind.ask("GET / HTTP/1.1");
    assert_eq!(answer.status, 503, "{}", answer.head);
    let told = || behind.mesh.ask("/api/overview").body;
    eventually("an end of: nobody is told", || {
        told()
            .contains("cannot be asked: it answered with status 500")
            .then_some(())
    });
    provider.is_out.store(false, Ordering::SeqCst);
    eventually("an end of: nobody asks again", || {
        (behind.ask("GET / HTTP/1.1").status == 302).then_some(())
    });
    assert!(behind.server.noted().is_empty());
}

#[test]
fn logging_out_ends_both_sessions() {
    let provider = Provider::new();
    let behind = provider.guards(json!({"postLogoutUrl": "/bye"}));
    let mut browser = Browser::default();
    browser.log_in(&behind, "/");
    let foreign = browser.clone().ask(
        &behind,
        "GET /oauth2/logout HTTP/1.1\r\nSec-Fetch-Site: cross-site",
    );
    assert_eq!((foreign.status, foreign.all("set-cookie").len()), (403, 0));
    let answer = browser.get(&behind, "/oauth2/logout");
    assert_eq!(answer.status, 303);
    let (place, query) = answer.header("location").unwrap().split_once('?').unwrap();
    assert_eq!(place, format!("{}/end", provider.issuer()));
    let asked = pairs(query);
    assert_eq!(asked["post_logout_redirect_uri"], "http://a.test/bye");
    assert!(asked["id_token_hint"].split('.').count() == 3 && asked["client_id"] == "shop");
    assert!(!browser.has_session());
    assert_eq!(browser.get(&behind, "/").status, 302);
    let again = Browser::default().get(&behind, "/oauth2/logout");
    assert_eq!(
        (again.status, again.header("location")),
        (303, Some("http://a.test/bye"))
    );
}

#[test]
fn a_new_secret_lets_sessions_of_the_old_one_go_on_and_replaces_their_cookies() {
    let provider = Provider::new();
    let behind = provider.guards(json!({}));
    let mut browser = Browser::default();
    browser.log_in(&behind, "/");
    let before = browser.clone();
    let new = "another secret of more than 32 bytes!";
    let with = |secrets: Value| {
        let middleware = provider.middleware(json!({"session": {"secrets": secrets}}));
        behind.write(&document(&[("login", middleware)], &behind.server));
    };
    with(json!([new, SECRET]));
    eventually("an end of: the cookie stays", || {
        (!(browser.get(&behind, "/").all("set-cookie").is_empty())).then_some(())
    });
    with(json!([new]));
    eventually("an end of: the old secret counts for ever", || {
        (before.clone().get(&behind, "/").status != 200).then_some(())
    });
    assert_eq!(browser.get(&behind, "/").status, 200);
    assert_eq!(provider.asked("authorization_code"), 1);
}

#[test]
fn secrets_come_from_files_and_are_read_again() {
    let provider = Provider::new();
    let place = tempfile::tempdir().unwrap();
    let (session, client) = (place.path().join("session"), place.path().join("client"));
    std::fs::write(&session, format!("{SECRET}\n")).unwrap();
    std::fs::write(&client, "s3cret/with:signs\n").unwrap();
    let mut options =
        provider.middleware(json!({"session": {"secretsFile": session}, "clientSecretFile": client}));
    options["oidc"].as_object_mut().unwrap().remove("clientSecret");
    let behind = Behind::of(&[("login", options)]);
    let mut browser = Browser::default();
    browser.log_in(&behind, "/");
    assert_eq!(browser.get(&behind, "/").status, 200);
    std::fs::write(&session, "another secret of more than 32 bytes!\n").unwrap();
    eventually("an end of: the file is not read again", || {
        (browser.clone().get(&behind, "/").status != 200).then_some(())
    });
}

#[test]
fn options_that_cannot_be_used_close_the_router_and_say_why() {
    let provider = Provider::new();
    for (options, said) in [
        (json!({"session": {"secrets": ["short"]}}), "32 bytes"),
        (json!({"clientId": ""}), "clientId"),
        (json!({"issuer": "idp.example"}), "issuer"),
        (json!({"issuer": "http://169.254.169.254"}), "issuer"),
        (json!({"callbackPath": "oauth2"}), "callbackPath"),
        (json!({"logoutPath": "/oauth2/callback"}), "logoutPath"),
        (json!({"loginParameters": {"state": "x"}}), "loginParameters"),
        (json!({"headers": {"Host": "sub"}}), "headers"),
    ] {
        let behind = provider.guards(options.clone());
        assert_eq!(behind.ask("GET / HTTP/1.1").status, 503, "{options}");
        let error = behind.state("login")["error"].to_string();
        assert!(error.contains(said), "{options}: {error}");
    }
}

#[test]
fn a_client_shows_who_it_is_in_the_way_that_is_set() {
    let provider = Provider::new();
    for (authentication, options) in [
        (0, json!({})),
        (1, json!({"clientAuthentication": "post"})),
        (2, json!({"clientSecret": null})),
    ] {
        provider.lie(Lies {
            authentication,
            ..Lies::default()
        });
        let behind = provider.guards(options.clone());
        let mut browser = Browser::default();
        browser.log_in(&behind, "/");
        assert_eq!(browser.get(&behind, "/").status, 200, "{options}");
    }
}

#[test]
fn several_hosts_share_one_callback_and_the_session() {
    let provider = Provider::new();
    let behind = provider.guards(json!({
        "redirectUrl": "http://login.a.test/oauth2/callback",
        "session": {"secrets": [SECRET], "domain": "a.test"},
    }));
    for (host, back) in [
        ("shop.a.test", "http://shop.a.test/x"),
        // No host of ours, although it was asked for by that name.
        ("evil.test", "http://login.a.test/"),
    ] {
        let mut browser = Browser::default();
        let answer = browser.ask_host(&behind, host, "GET /x HTTP/1.1");
        let asked = pairs(answer.header("location").unwrap().split_once('?').unwrap().1);
        assert_eq!(asked["redirect_uri"], "http://login.a.test/oauth2/callback");
        let request = format!("GET {} HTTP/1.1", callback(&asked));
        let answer = browser.ask_host(&behind, "login.a.test", &request);
        assert_eq!((answer.status, answer.header("location")), (302, Some(back)));
        assert!(
            answer
                .all("set-cookie")
                .iter()
                .all(|line| line.contains("; Domain=a.test; "))
        );
        let page = browser.ask_host(&behind, "shop.a.test", "GET /x HTTP/1.1");
        assert_eq!(page.status, 200);
    }
}
