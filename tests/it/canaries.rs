//! A new version beside the one before: its part of the requests, and its end when it fails.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    mesh::{Mesh, Place, eventually, flags, words},
    peer::{Act, Peer},
    server::Server,
    services::Catalog,
};

/// A server that answers `canary`, and 500 once it is broken.
fn canary() -> (Peer, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let peer = Peer::new({
        let broken = broken.clone();
        move |_| match broken.load(Ordering::SeqCst) {
            true => Act::Answer(500, "canary".to_owned()),
            false => Act::Answer(200, "canary".to_owned()),
        }
    });
    (peer, broken)
}

/// How many of so many requests the canary answers.
fn of_canary(mesh: &Mesh, count: usize) -> usize {
    let answers = (0..count).map(|_| mesh.get("shop.test", "/").body);
    answers.filter(|body| body == "canary").count()
}

/// Breaks the canary and asks until it is stopped; stable servers answer everything then. Gives how often it failed.
fn fails_and_is_stopped(mesh: &Mesh, broken: &AtomicBool) -> usize {
    broken.store(true, Ordering::SeqCst);
    let mut failed = 0;
    eventually("the stop of the canary", || {
        failed += usize::from(mesh.get("shop.test", "/").status == 500);
        let log = mesh.log();
        log.iter()
            .any(|line| line.contains("canary stopped"))
            .then_some(())
    });
    assert_eq!(of_canary(mesh, 100), 0);
    failed
}

#[test]
fn a_canary_that_returns_500_is_stopped_and_the_stable_server_goes_on() {
    let (place, stable, (canary, broken)) = (Place::new(), Server::named("stable"), canary());
    let document = |mark: &str, weight: u8| {
        let (stable, canary) = (stable.url(), canary.url());
        format!(
            r#"
http:
  routers:
    shop: {{rule: "Host(`shop.test`)", service: shop}}
    {mark}: {{rule: "Host(`{mark}.test`)", service: shop}}
  services:
    shop:
      loadBalancer:
        canary: {{weight: {weight}, stop: {{minRequests: 10, window: 10m}}}}
        servers:
          - {{url: "{stable}"}}
          - {{url: "{canary}", canary: true}}
"#
        )
    };
    let file = place.write("routes.yml", &document("before", 20));
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("before.test", "/", |answer| answer.status == 200);
    let served = of_canary(&mesh, 100);
    assert!((18..=22).contains(&served), "{served} of 100 requests");

    let failed = fails_and_is_stopped(&mesh, &broken);
    assert!(
        (2..=8).contains(&failed),
        "{failed} failures of about 22 requests"
    );
    let log = mesh.log();
    let said: Vec<_> = log
        .iter()
        .filter(|line| line.contains("canary stopped"))
        .collect();
    assert_eq!(said.len(), 1);
    let rates = ["\"warn\"", "shop@file", "% of ", "0.0 % of "];
    assert!(rates.iter().all(|part| said[0].contains(part)), "{said:?}");
    let state = || mesh.ask("/api/http/services/shop@file").json()["serverStates"][1].clone();
    let shown = state();
    assert_eq!(
        (&shown["standing"], &shown["canary"]),
        (&"stopped".into(), &true.into())
    );
    let obstacle = shown["obstacle"].as_str().unwrap();
    assert!(obstacle.starts_with("canary stopped: "), "{obstacle}");

    let reload = |mark: &str, weight: u8| {
        place.write("routes.yml", &document(mark, weight));
        mesh.eventually(&format!("{mark}.test"), "/", |answer| answer.status != 404);
    };
    reload("same", 20);
    assert_eq!(of_canary(&mesh, 50), 0, "a reload changes nothing");
    broken.store(false, Ordering::SeqCst);
    reload("other", 50);
    let served = of_canary(&mesh, 100);
    assert!((48..=52).contains(&served), "{served} of 100 requests");
    assert_eq!(state()["standing"], "ready");
}

#[test]
fn tags_of_two_services_make_one_with_a_canary_that_is_stopped() {
    let (place, stable, (canary, broken)) = (Place::new(), Server::named("stable"), canary());
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let address = canary.url().trim_start_matches("http://").parse().unwrap();
    let next = [
        "mesh.service=shop",
        "mesh.canary=true",
        "mesh.canary.weight=25",
        "mesh.canary.stop.minrequests=10",
    ];
    let catalog = Catalog::of(&[
        (
            "shop-v1",
            stable.address,
            tags(&["mesh.service=shop", "mesh.host=shop.test"]),
        ),
        ("shop-v2", address, tags(&next)),
    ]);
    let mut flags = flags(&place.path("unused"));
    flags.pop();
    let endpoint = format!("--providers.consulCatalog.endpoint.address={}", catalog.address);
    flags.push(endpoint);
    let mesh = place.start(&words(&flags));
    mesh.eventually("shop.test", "/", |answer| answer.body == "canary");
    let served = of_canary(&mesh, 100);
    assert!((23..=27).contains(&served), "{served} of 100 requests");
    fails_and_is_stopped(&mesh, &broken);
    assert_eq!(mesh.get("shop.test", "/").body, "stable");
}
