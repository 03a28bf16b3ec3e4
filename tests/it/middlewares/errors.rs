//! `errors` through the binary.

use serde_json::{Value, json};

use super::{Behind, Noting, answer, document, ok};
use crate::mesh::eventually;

fn pages() -> Noting {
    Noting::new(|noted| ok(&format!("page of {}", noted.target())))
}

/// The document of [`Behind`] with a service `pages`, and a router that has it.
fn with_pages(middlewares: &[(&str, Value)], behind: &Behind, pages: &Noting) -> Value {
    let mut document = document(middlewares, &behind.server);
    document["http"]["services"]["pages"] =
        json!({"loadBalancer": {"servers": [{"url": format!("http://{}", pages.address)}]}});
    document["http"]["routers"]["ready"] = json!({"rule": "Path(`/pages/ready`)", "service": "pages"});
    document
}

fn errors(more: Value) -> Value {
    let mut errors = json!({"status": ["404", "500-599"], "service": "pages", "query": "/{status}?was={originalStatus}&url={url}"});
    errors
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"errors": errors})
}

fn start(middlewares: &[(&str, Value)]) -> (Behind, Noting) {
    let pages = pages();
    let behind = Behind::before(&[], |noted| match noted.target() {
        "/fine" => ok("fine"),
        "/dead" => String::new(),
        _ => answer("500 Internal Server Error", "X-Secret: 1\r\n", "a stack trace"),
    });
    behind.write(&with_pages(middlewares, &behind, &pages));
    eventually("pages", || {
        (behind.ask("GET /pages/ready HTTP/1.1").status == 200).then_some(())
    });
    (behind, pages)
}

#[test]
fn pages_stand_in_for_errors_of_servers_and_of_mesh() {
    let (behind, pages) = start(&[("errors", errors(json!({"statusRewrites": {"500": 503}})))]);
    let fine = behind.ask("GET /fine HTTP/1.1");
    assert_eq!((fine.status, fine.text().as_str()), (200, "fine"));
    let page = behind.ask("GET /x?a=b HTTP/1.1\r\nCookie: c=1\r\nIf-None-Match: x");
    assert_eq!(page.status, 503);
    assert_eq!(
        page.text(),
        "page of /503?was=500&url=http%3A%2F%2Fa.test%2Fx%3Fa%3Db"
    );
    assert_eq!(page.header("x-secret"), None);
    let asked = pages.last();
    assert_eq!(asked.all("host"), ["a.test"]);
    assert_eq!(
        (asked.header("cookie"), asked.header("if-none-match")),
        (Some("c=1"), None)
    );
    // The server of a POST closes its connection: that is an error of Mesh.
    let post =
        behind.send("POST /dead HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(post.status, 502);
    assert_eq!(post.text(), "page of /502?was=502&url=http%3A%2F%2Fa.test%2Fdead");
    let metrics = behind.mesh.ask("/metrics").body;
    assert!(
        metrics
            .lines()
            .any(|line| line.contains("reason=\"closed\"") && line.ends_with(" 1")),
        "{metrics}"
    );
    let head = behind.ask("HEAD /x HTTP/1.1");
    assert_eq!((head.status, head.body.len()), (503, 0));
}

#[test]
fn the_page_of_a_service_that_fails_is_its_own_error() {
    let (behind, _pages) = start(&[("errors", errors(json!({"service": "all"})))]);
    let page = behind.ask("GET /x HTTP/1.1");
    assert_eq!((page.status, page.text().as_str()), (500, "a stack trace"));
}

#[test]
fn a_service_that_does_not_exist_or_leads_back_closes_the_router_and_says_so() {
    let (behind, pages) = start(&[]);
    let mut document = with_pages(
        &[("errors", errors(json!({"service": "nobody"})))],
        &behind,
        &pages,
    );
    document["http"]["middlewares"]["loop"] = errors(json!({"service": "looping"}));
    document["http"]["services"]["looping"] = document["http"]["services"]["pages"].clone();
    document["http"]["services"]["looping"]["middlewares"] = json!(["loop"]);
    document["http"]["routers"]["all"] =
        json!({"rule": "PathPrefix(`/new`)", "service": "all", "middlewares": ["errors"]});
    document["http"]["routers"]["fresh"] =
        json!({"rule": "Path(`/pages/fresh`)", "service": "all", "middlewares": ["errors"]});
    behind.write(&document);
    eventually("a closed router", || {
        (behind.ask("GET /pages/fresh HTTP/1.1").status == 503).then_some(())
    });
    let router = behind.mesh.ask("/api/http/routers/fresh@file").json();
    assert!(router["error"].to_string().contains("nobody@file"), "{router}");
    let service = behind.mesh.ask("/api/http/services/looping@file").json();
    assert!(service["error"].to_string().contains("recursion"), "{service}");
    assert_eq!(behind.ask("GET /pages/ready HTTP/1.1").status, 200);
}
