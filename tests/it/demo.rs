//! `mesh demo`, as its own text proposes to use it.

use std::collections::BTreeSet;

use crate::{
    http::{get, try_request},
    mesh::{Mesh, Place, eventually},
};

fn who(mesh: &Mesh) -> Option<char> {
    let answer = get(mesh.address("web"), "localhost", "/");
    answer
        .body
        .strip_prefix("I am ")
        .and_then(|rest| rest.chars().next())
}

fn change(mesh: &Mesh, server: &str, query: &str) {
    let path = format!("/demo/servers/{server}?{query}");
    let answer = try_request(mesh.address("mesh"), "POST", "localhost", &path).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn weights_and_health_of_the_demo_change_who_answers() {
    let place = Place::new();
    let mut mesh = place.start(&["demo", "--port=0", "--api-port=0", "--log.level=info"]);
    let both = BTreeSet::from([Some('a'), Some('b')]);
    eventually("both", || {
        ((0..4).map(|_| who(&mesh)).collect::<BTreeSet<_>>() == both).then_some(())
    });
    change(&mesh, "a", "weight=3");
    eventually("three of four", || {
        ((0..8).filter(|_| who(&mesh) == Some('a')).count() == 6).then_some(())
    });
    change(&mesh, "a", "health=down");
    eventually("b alone", || {
        (0..4).all(|_| who(&mesh) == Some('b')).then_some(())
    });
    change(&mesh, "b", "health=down");
    let answer = eventually("503", || {
        Some(get(mesh.address("web"), "localhost", "/")).filter(|answer| answer.status == 503)
    });
    assert!(answer.header("X-Mesh-Reason").is_some(), "{answer:?}");
    change(&mesh, "b", "health=up");
    eventually("b again", || (who(&mesh) == Some('b')).then_some(()));
    mesh.signal("-INT");
    assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
}
