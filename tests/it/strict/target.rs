//! Which host and path a request is for.

use super::{Act, Recorder, Row, Stand};

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}")
}

#[test]
fn exactly_one_valid_host_is_served() {
    let stand = Stand::echoing();
    for host in [
        "a, b", "a,b", "a@b", "a/x", "a b", "a:80@b", "u:p@a", "a#b", "a?b", "a\\b", "a;b", "a%00", "a%2eb",
        "[::1", "::1", "[a]", "[::1]x", ":80", "a:80:90", "a:x", "a:+8", "a:70000", "\u{e9}", "", " ",
        "\"a\"", "http://a",
    ] {
        stand.play([Row::refused(format!(
            "GET /g HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}"
        ))]);
    }
    for hosts in [
        "",
        "Host: h\r\nHost: evil\r\n",
        "Host: h\r\nhost: h\r\n",
        "Host: h\r\nX: y\r\nHOST: evil\r\n",
    ] {
        stand.play([Row::refused(format!("GET /g HTTP/1.1\r\n{hosts}\r\n{HIDDEN}"))]);
    }
    for host in [
        "a",
        "a:8080",
        "a.example.",
        "[::1]",
        "[::1]:80",
        "10.0.0.1:1",
        "A.Example",
    ] {
        stand.play([Row::becomes(
            format!("GET /g HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}"),
            &[("GET /g", ""), ("GET /hidden", "")],
        )]);
    }
}

#[test]
fn a_target_of_another_form_is_refused() {
    let stand = Stand::echoing();
    for target in [
        "@127.0.0.1:1/",
        "\\c",
        "c",
        "c/d",
        "*",
        "h:80",
        "?q",
        "//",
        "http://u@h/",
        "http://u:p@h/",
        "ftp://h/",
        "http:///x",
        "http://",
        "http:/x",
        "file:///etc/passwd",
        "javascript:x",
        "http://h:x/",
        "http://a,b/",
        "http://a b/",
    ] {
        if target == "//" {
            // An empty segment, which goes the way of all of them.
            stand.play([Row::becomes(get(target), &[("GET /", ""), ("GET /hidden", "")])]);
        } else {
            stand.play([Row::refused(get(target))]);
        }
    }
    for target in ["/a#b", "/#", "/a?b#c", "http://h/#c", "/%23#x"] {
        stand.play([Row::refused(get(target))]);
    }
    // The server as a whole is no path: the router for paths does not match it.
    let whole = format!("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}");
    stand.play([Row::becomes(whole, &[("GET /hidden", "")]).after(404)]);
}

#[test]
fn the_authority_of_a_target_is_the_host_that_a_server_sees() {
    let stand = Stand::echoing();
    for (target, line, host) in [
        ("http://evil.test/x", "GET /x", "evil.test"),
        ("HTTP://evil.test:81/x/../y?q", "GET /y?q", "evil.test:81"),
        ("http://evil.test", "GET /", "evil.test"),
        ("http://evil.test?q=1", "GET /?q=1", "evil.test"),
    ] {
        stand.play([Row::becomes(get(target), &[(line, ""), ("GET /hidden", "")])]);
        let heard = stand
            .server
            .heard()
            .into_iter()
            .flat_map(|heard| heard.requests)
            .next()
            .unwrap();
        assert_eq!(heard.values("host"), [host], "{target}");
        assert_eq!(heard.values("x-forwarded-host"), [host], "{target}");
    }
    // A Host that is none is one beside an authority, too.
    for host in ["a, b", "a@b", "", "a/x", "a:x"] {
        stand.play([Row::refused(format!(
            "GET http://h/x HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}"
        ))]);
    }
}

#[test]
fn a_path_comes_to_the_server_in_the_spelling_that_was_matched() {
    let stand = Stand::echoing();
    for (sent, comes) in [
        ("/%61dmin", "/admin"),
        ("/x/../admin", "/admin"),
        ("/./admin", "/admin"),
        ("/x/%2e%2e/admin", "/admin"),
        ("/x/%2E./admin", "/admin"),
        ("//x//admin", "/x/admin"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/x/..", "/"),
        ("/x/.", "/x/"),
        ("/..;/admin", "/..;/admin"),
        ("/%25%61", "/%25a"),
        ("/%252e%252e/", "/%252e%252e/"),
        ("/a%20b/c%2fd?x=%2F&z=/../q", "/a%20b/c%2Fd?x=%2F&z=/../q"),
        ("/?", "/?"),
        ("/a?b?c=%zz", "/a?b?c=%zz"),
    ] {
        let line = format!("GET {comes}");
        stand.play([Row::becomes(get(sent), &[(&line, ""), ("GET /hidden", "")])]);
    }
    for sent in [
        "/%",
        "/%4",
        "/%zz",
        "/%+1",
        "/a%00",
        "/%0",
        "/a%00/../b",
        "/%u0041",
    ] {
        stand.play([Row::refused(get(sent))]);
    }
}

#[test]
fn no_spelling_of_a_path_goes_around_its_router() {
    let server = Recorder::new(|_, _| Act::Echo);
    let document = format!(
        "http:\n  routers:\n    all: {{rule: \"PathPrefix(`/`)\", service: all}}\n    admin: {{rule: \
         \"PathPrefix(`/admin`)\", service: none}}\n    api: {{rule: \"PathPrefix(`/api`)\", service: all, \
         middlewares: [strip]}}\n  middlewares: {{strip: {{stripPrefix: {{prefixes: [/api]}}}}}}\n  services:\n    \
         none: {{loadBalancer: {{servers: []}}}}\n    all: {{loadBalancer: {{servers: [{{url: \"http://{}\"}}]}}}}\n",
        server.address
    );
    let stand = Stand::with_document(server, &document, &[]);
    for path in [
        "/admin",
        "/%61dmin",
        "/x/../admin",
        "/./admin",
        "/x/%2e%2e/admin",
        "//admin",
        "/admin/",
        "/x/..%2fadmin",
        "/x/..%5cadmin",
        "/x%2f..%2fadmin",
        "/%2e/admin",
        "http://h/x/../admin",
        "/admin%2fx",
        "/admin;x/..%2f",
        "/api/../admin",
        "/api/%2e%2e/admin",
    ] {
        stand.server.forget();
        let text = stand.talk(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(), true);
        let refused = text.starts_with("HTTP/1.1 400") || text.starts_with("HTTP/1.1 503");
        assert!(refused, "{path} was answered {text:?}");
        stand.bystander(path);
    }
    for path in [
        "/api../admin",
        "/api%2e%2e/admin",
        "/api/..%2fadmin",
        "/api/x/../../admin",
        "/api%2f../x",
        "/api/%2e/x",
    ] {
        stand.server.forget();
        let _any = stand.talk(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(), true);
        for request in stand.server.heard().into_iter().flat_map(|heard| heard.requests) {
            let has_dots = request
                .target
                .split('/')
                .any(|segment| matches!(segment, "." | ".."));
            assert!(
                !has_dots && request.target.starts_with('/'),
                "{path} became {request:?}"
            );
            assert!(!request.target.starts_with("/admin"), "{path} became {request:?}");
        }
    }
}
