//! Whose key leads where.

use super::*;

fn options(weights: &[u32], bounded_load: u16) -> Value {
    json!({
        "strategy": "consistentHash",
        "hash": {"source": "path", "boundedLoad": bounded_load},
        "servers": servers(weights),
    })
}

/// The ports that so many paths lead to.
fn led(balancer: &Balancer, keys: usize) -> Vec<u16> {
    let of = |key: usize| {
        let mut asks = asking(&[]);
        asks.head.uri = format!("/item/{key}").parse().unwrap();
        balancer.pick(&asks.look()).unwrap().url.port
    };
    (0..keys).map(of).collect()
}

fn counts(ports: &[u16]) -> Counts {
    let mut counts = Counts::new();
    for port in ports {
        *counts.entry(*port).or_default() += 1;
    }
    counts
}

#[test]
fn a_key_leads_to_one_server_whoever_asks() {
    let one = made(&options(&[1; 5], 0), None, Instant::now());
    let other = made(&options(&[1; 5], 0), None, Instant::now());
    assert_eq!(led(&one, 500), led(&other, 500));
    assert_eq!(led(&one, 500), led(&one, 500));
}

#[test]
fn keys_are_spread_by_weight() {
    let even = counts(&led(&made(&options(&[1; 4], 0), None, Instant::now()), 20_000));
    assert!(
        (1..=4).all(|port| (part(&even, port) - 0.25).abs() < 0.02),
        "{even:?}"
    );
    let uneven = counts(&led(&made(&options(&[6, 3, 1], 0), None, Instant::now()), 20_000));
    for (port, wanted) in [(1, 0.6), (2, 0.3), (3, 0.1)] {
        assert!((part(&uneven, port) - wanted).abs() < 0.02, "{uneven:?}");
    }
}

#[test]
fn only_the_keys_of_a_server_that_goes_move_and_to_all_others() {
    for weights in [[1, 1, 1, 1, 1], [3, 1, 2, 2, 2]] {
        let mut fewer = weights;
        fewer[4] = 0;
        let before = led(&made(&options(&weights, 0), None, Instant::now()), 10_000);
        let after = led(&made(&options(&fewer, 0), None, Instant::now()), 10_000);
        let moved: Vec<u16> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|(before, after)| {
                assert_eq!(*before, 5, "a key of another server moved");
                *after
            })
            .collect();
        assert!((1700..2300).contains(&moved.len()), "{} moved", moved.len());
        assert_eq!(counts(&moved).len(), 4, "all others take a part");
    }
}

#[test]
fn a_busy_server_passes_keys_on_where_load_is_bounded() {
    let balancer = made(&options(&[1; 4], 150), None, Instant::now());
    let busy = led(&balancer, 1)[0];
    let server = &balancer.servers()[usize::from(busy) - 1];
    let held: Vec<_> = (0..10).map(|_| server.state.begin()).collect();
    assert_ne!(led(&balancer, 1)[0], busy);
    drop(held);
    assert_eq!(led(&balancer, 1)[0], busy);
}

#[test]
fn hrw_goes_by_the_client() {
    let balancer = made(
        &json!({"strategy": "hrw", "servers": servers(&[1; 4])}),
        None,
        Instant::now(),
    );
    let of = |client: u8| {
        let mut asks = asking(&[]);
        asks.client = IpAddr::V4(Ipv4Addr::new(10, 0, 0, client));
        balancer.pick(&asks.look()).unwrap().url.port
    };
    assert!((0..50).all(|client| of(client) == of(client)));
    assert_eq!(
        (0..50).map(of).collect::<std::collections::BTreeSet<_>>().len(),
        4
    );
}
