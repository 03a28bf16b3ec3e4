//! `contentType`.

use serde_json::json;

use super::{Behind, answer, errors};

#[test]
fn clients_learn_what_an_answer_is_that_does_not_say_so() {
    let scripted = |noted: &super::Noted| match noted.target() {
        "/html" => answer("200 OK", "", "<!doctype html><title>x</title>"),
        "/png" => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\u{89}PNG\r\n\u{1a}\r\n0\r\n\r\n"
                .to_owned()
        }
        "/told" => answer("200 OK", "Content-Type: text/x\r\n", "<html>"),
        "/encoded" => answer("200 OK", "Content-Encoding: gzip\r\n", "abc"),
        "/nosniff" => answer("200 OK", "X-Content-Type-Options: nosniff\r\n", "<html>"),
        "/empty" => answer("200 OK", "", ""),
        "/none" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        _ => answer("404 Not Found", "", "not here"),
    };
    let behind = Behind::before(&[("sniff", json!({"contentType": {}}))], scripted);
    for (path, told) in [
        ("/html", Some("text/html; charset=utf-8")),
        ("/told", Some("text/x")),
        ("/encoded", None),
        ("/nosniff", None),
        ("/empty", None),
        ("/none", None),
        ("/other", Some("text/plain; charset=utf-8")),
    ] {
        assert_eq!(
            behind.ask(&format!("GET {path} HTTP/1.1")).header("content-type"),
            told,
            "{path}"
        );
    }
    let html = behind.ask("GET /html HTTP/1.1");
    assert_eq!(html.header("content-length"), Some("31"));
    assert_eq!(html.text(), "<!doctype html><title>x</title>");
    assert_eq!(behind.ask("HEAD /html HTTP/1.1").header("content-type"), None);
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_a_short_one() {
    let cut = |_: &super::Noted| {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_owned()
    };
    let behind = Behind::before(&[("sniff", json!({"contentType": {}}))], cut);
    let answer = super::exchange(
        behind.mesh.address("web"),
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    let is_whole = answer.is_ok_and(|answer| answer.body.ends_with(b"0\r\n\r\n"));
    assert!(!is_whole);
}

#[test]
fn an_option_that_does_not_exist_is_told_and_an_old_one_is_a_warning() {
    let [unknown] = errors([json!({"contentType": {"detect": true}})]);
    assert!(unknown.contains("autoDetect"), "{unknown}");
    let old = Behind::of(&[("sniff", json!({"contentType": {"autoDetect": true}}))]);
    assert_eq!(
        old.ask("GET / HTTP/1.1").header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let state = old.state("sniff");
    assert_eq!(state["status"], "warning");
    assert!(
        state["error"].to_string().contains("autoDetect has no effect"),
        "{state}"
    );
}
