//! The share of the canary group.

use mesh_config::{instance::Lifecycle, model::Server};

/// Largest weight that scaling produces.
const MAX_WEIGHT: u64 = 1_000_000;

/// Scales weights so that the canary servers together get `share` per cent of the requests.
///
/// Only ready servers count: a canary that is not ready takes nothing away from the others. While either group
/// has no ready server the weights stay as they are, so that the group that is there gets everything.
pub(super) fn scale(servers: &mut [(Server, bool)], share: u8) {
    let share = u64::from(share.min(100));
    let total = |canary: bool| -> u64 {
        servers
            .iter()
            .filter(|(server, is_canary)| *is_canary == canary && server.lifecycle == Lifecycle::Ready)
            .map(|(server, _)| u64::from(server.weight))
            .sum()
    };
    let (stable, canary) = (total(false), total(true));
    if stable == 0 || canary == 0 {
        return;
    }
    let (for_canary, for_stable) = (share * stable, (100 - share) * canary);
    let common = gcd(for_canary, for_stable).max(1);
    let factor = |is_canary: bool| (if is_canary { for_canary } else { for_stable }) / common;
    let scaled =
        |server: &Server, is_canary: bool| u64::from(server.weight).saturating_mul(factor(is_canary));
    let mut weights: Vec<_> = servers
        .iter()
        .map(|(server, is_canary)| scaled(server, *is_canary))
        .collect();
    let common = weights.iter().copied().fold(0, gcd).max(1);
    let largest = weights.iter().copied().max().unwrap_or_default() / common;
    let divisor = common.saturating_mul(largest.div_ceil(MAX_WEIGHT).max(1));
    for weight in &mut weights {
        // What has a share keeps one, however small.
        *weight = (*weight / divisor).max(u64::from(*weight > 0));
    }
    for ((server, _), weight) in servers.iter_mut().zip(weights) {
        server.weight = u32::try_from(weight).unwrap_or(u32::MAX);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(weight: u32, canary: bool, lifecycle: Lifecycle) -> (Server, bool) {
        let server = Server {
            url: "http://10.0.0.1:80".parse().unwrap(),
            weight,
            preserve_path: false,
            zone: String::new(),
            lifecycle,
            reason: None,
            origin: None,
        };
        (server, canary)
    }

    fn weights(servers: &[(Server, bool)]) -> Vec<u32> {
        servers.iter().map(|(server, _)| server.weight).collect()
    }

    #[test]
    fn nine_stable_and_three_canary_servers_share_as_asked() {
        let mut servers = vec![server(1, false, Lifecycle::Ready); 9];
        servers.extend(vec![server(1, true, Lifecycle::Ready); 3]);
        scale(&mut servers, 10);
        assert_eq!(weights(&servers), [3, 3, 3, 3, 3, 3, 3, 3, 3, 1, 1, 1]);
    }

    #[test]
    fn no_and_all_requests_are_shares_too() {
        let both = vec![
            server(1, false, Lifecycle::Ready),
            server(1, true, Lifecycle::Ready),
        ];
        for (share, expected) in [(0, [1, 0]), (100, [0, 1])] {
            let mut servers = both.clone();
            scale(&mut servers, share);
            assert_eq!(weights(&servers), expected, "{share} %");
        }
    }

    #[test]
    fn a_canary_that_is_not_ready_takes_nothing() {
        let mut servers = vec![
            server(1, false, Lifecycle::Ready),
            server(1, true, Lifecycle::Starting),
        ];
        scale(&mut servers, 50);
        assert_eq!(weights(&servers), [1, 1]);
    }

    proptest::proptest! {
        #[test]
        fn the_share_holds_within_rounding(
            stable in proptest::collection::vec(1_u32..1000, 1..20),
            canary in proptest::collection::vec(1_u32..1000, 1..20),
            share in 1_u8..100,
        ) {
            let mut servers: Vec<_> = stable.iter().map(|weight| server(*weight, false, Lifecycle::Ready)).collect();
            servers.extend(canary.iter().map(|weight| server(*weight, true, Lifecycle::Ready)));
            scale(&mut servers, share);
            let sum = |wanted: bool| -> f64 {
                servers.iter().filter(|(_, is)| *is == wanted).map(|(server, _)| f64::from(server.weight)).sum()
            };
            let got = sum(true) / (sum(true) + sum(false)) * 100.0;
            proptest::prop_assert!((got - f64::from(share)).abs() < 0.5, "{} instead of {}", got, share);
        }
    }
}
