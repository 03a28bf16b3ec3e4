//! What middlewares keep is thrown away through the API, where that is allowed.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{Behind, Raw, answer, exchange};
use crate::mesh::eventually;

/// Mesh with a cache, in front of a server that numbers its answers and tags them with what they are of.
fn kept(further: &[&str]) -> Behind {
    let count = AtomicUsize::new(0);
    let middlewares = [("keep", json!({"cache": {"defaultTtl": "1h"}}))];
    Behind::started(&middlewares, further, move |noted| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let tags = format!("Cache-Tag: all, {}\r\n", noted.target().replace('/', "of-"));
        answer("200 OK", &tags, &number.to_string())
    })
}

fn api(behind: &Behind, line: &str, more: &str) -> Raw {
    let request = format!("{line} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n{more}\r\n");
    exchange(behind.mesh.address("mesh"), request.as_bytes()).unwrap()
}

fn purge(behind: &Behind, what: &str) -> (u16, String) {
    let answer = api(behind, &format!("DELETE /api/cache?{what}"), "");
    (answer.status, answer.text())
}

#[test]
fn what_is_named_is_gone_and_the_rest_stays() {
    let behind = kept(&["--api.cachePurge=true"]);
    let get = |path: &str| behind.ask(&format!("GET {path} HTTP/1.1")).text();
    let fill = || ["/a", "/ab", "/b"].map(get);
    let mut numbers = fill();
    assert_eq!(fill(), numbers);
    for (what, gone) in [
        ("url=http://a.test/a", [true, false, false]),
        ("url=http://a.test/a%3Fx", [false; 3]),
        ("prefix=http://A.test/a", [true, true, false]),
        ("host=a.test", [true; 3]),
        ("host=b.test", [false; 3]),
        ("tag=of-b", [false, false, true]),
        ("tag=all", [true; 3]),
        ("tag=all%2C%20of-b", [false; 3]),
        ("router=all@file", [true; 3]),
        ("router=other@file", [false; 3]),
        ("middleware=keep@file", [true; 3]),
        ("middleware=keep@file&url=http://a.test/b", [false, false, true]),
        ("all=true", [true; 3]),
    ] {
        let count = gone.iter().filter(|gone| **gone).count();
        let answer = purge(&behind, what);
        assert_eq!(answer, (200, format!("{{\"purged\":{count}}}")), "{what}");
        let now = fill();
        let changed: Vec<_> = now
            .iter()
            .zip(&numbers)
            .map(|(now, before)| now != before)
            .collect();
        assert_eq!(changed, gone, "{what}");
        numbers = now;
    }
    let log = behind.mesh.log().join("\n");
    assert!(
        log.contains("caches were purged") && log.contains("tag=of-b"),
        "{log}"
    );
    let secret = "url=http://a.test/%3Ftoken%3Ds3cret";
    assert_eq!(purge(&behind, secret).0, 200);
    let line = eventually("its line", || {
        let log = behind.mesh.log();
        log.into_iter().find(|line| line.contains("token="))
    });
    assert!(!line.contains("s3cret") && line.contains("127.0.0.1"), "{line}");
    let page = behind.mesh.ask("/metrics").body;
    let entries = r#"mesh_middleware_cache_entries{middleware="keep@file",owner="all@file"} 3"#;
    assert!(page.contains(entries), "{page}");
    for outcome in ["hit", "miss"] {
        let series = format!(
            r#"mesh_middleware_cache_requests_total{{middleware="keep@file",kind="cache",outcome="{outcome}"}}"#
        );
        assert!(page.contains(&series), "{page}");
    }
}

#[test]
fn nobody_purges_by_mistake_or_through_a_page_of_another_site() {
    let behind = kept(&["--api.cachePurge=true"]);
    let first = behind.ask("GET /a HTTP/1.1").text();
    for what in ["", "all=yes", "tag=", "tags=all", "url=/a", "all=true&tag=all"] {
        assert_eq!(purge(&behind, what).0, 400, "{what}");
    }
    let all = "/api/cache?all=true";
    for (line, more, status) in [
        ("GET", "", 405),
        ("HEAD", "", 405),
        ("POST", "Content-Length: 0\r\n", 405),
        (
            "OPTIONS",
            "Origin: http://evil.test\r\nAccess-Control-Request-Method: DELETE\r\n",
            405,
        ),
        ("DELETE", "Origin: http://evil.test\r\n", 403),
        ("DELETE", "Origin: http://mesh\r\n", 403),
        ("DELETE", "Origin: null\r\n", 403),
        ("DELETE", "Sec-Fetch-Site: same-origin\r\n", 403),
    ] {
        let answer = api(&behind, &format!("{line} {all}"), more);
        assert_eq!(answer.status, status, "{line} {more}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("allow"), (status == 405).then_some("DELETE"));
    }
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), first);
}

#[test]
fn without_the_option_there_is_nothing_to_purge_by() {
    let behind = kept(&[]);
    let first = behind.ask("GET /a HTTP/1.1").text();
    assert_eq!(purge(&behind, "all=true").0, 405);
    assert_eq!(api(&behind, "GET /api/cache", "").status, 404);
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), first);
}
