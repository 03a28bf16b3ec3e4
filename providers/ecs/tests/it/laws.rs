//! What holds whatever fails, in whatever order.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    watch::{Watch, provider, settings},
    world::{Fate, World},
};

fn estate() -> World {
    let world = World::new();
    world.state().machine("i-1", "10.1.1.1");
    for (service, mode) in [("a", "awsvpc"), ("b", "awsvpc"), ("c", "bridge")] {
        world.service(service, mode, &[("mesh.host", "x.example")]);
        for _ in 0..60 {
            world.run(service);
        }
    }
    world
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Answered),
        Just(Fate::Throttled),
        Just(Fate::Denied),
        Just(Fate::Halved)
    ]
}

/// Lives through `fates` after a first whole read, and then lets all be well.
async fn live(fates: Vec<Fate>) -> (bool, usize) {
    let world = estate();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch
        .until("the first read", |watch| {
            watch.scopes.len() == 4 && watch.of("c").len() == 60
        })
        .await;
    let count = fates.len();
    world.state().fates = fates.into();
    watch
        .until("all that may fail has failed", |_| world.state().fates.is_empty())
        .await;
    // A pause after as many failures, and another read.
    watch.pass(Duration::from_secs(600 + count as u64)).await;
    let known = ["a", "b", "c"]
        .iter()
        .map(|service| watch.of(service).len())
        .sum();
    (watch.shrunk.is_empty() && watch.failed.is_empty(), known)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_partial_failures_shrinks_what_is_reported(fates in proptest::collection::vec(fate(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (kept, known) = runtime.block_on(live(fates));
        prop_assert!(kept);
        prop_assert_eq!(known, 180);
    }

    #[test]
    fn a_start_among_failures_ends_with_all_there_is(fates in proptest::collection::vec(fate(), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let known = runtime.block_on(async {
            let world = estate();
            world.state().fates = fates.into();
            let provider = provider(&world, &settings());
            let mut watch = Watch::new(&provider);
            watch.until("all is told", |watch| {
                ["a", "b", "c"].iter().all(|service| watch.of(service).len() == 60) && watch.failed.is_empty()
            }).await;
            watch.shrunk.len()
        });
        prop_assert_eq!(known, 0);
    }
}
