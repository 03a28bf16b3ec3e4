//! Options that are written and do nothing: their service serves, and not as its user may believe.

use super::{
    Hash, HealthCheck, HealthCheckMode, LoadBalancer, PassiveHealthCheck, Retry, SameSite, Service,
    ServiceKind, Sticky, Strategy,
};

impl Service {
    /// What its user should look at although it serves, by the name of the option.
    pub fn warnings(&self) -> Vec<String> {
        match &self.kind {
            ServiceKind::LoadBalancer(balancer) => balancer.warnings(),
            ServiceKind::Weighted(weighted) => {
                let mut warnings = lack_of_services(weighted.services.is_empty());
                warnings.extend(dropped_cookie(weighted.sticky.as_ref()));
                warnings
            }
            ServiceKind::HighestRandomWeight(weighted) => lack_of_services(weighted.services.is_empty()),
            ServiceKind::Mirroring(_) | ServiceKind::Failover(_) => Vec::new(),
        }
    }
}

impl LoadBalancer {
    fn warnings(&self) -> Vec<String> {
        let strategy = match self.strategy {
            Strategy::Wrr => "wrr",
            Strategy::P2c => "p2c",
            Strategy::LeastTime => "leasttime",
            Strategy::LeastConn => "leastconn",
            Strategy::Hrw => "hrw",
            Strategy::ConsistentHash => "consistentHash",
        };
        let by_key = matches!(self.strategy, Strategy::Hrw | Strategy::ConsistentHash);
        let written = [
            ("hash", !by_key && self.hash != Hash::default()),
            ("sticky", by_key && self.sticky.is_some()),
            ("slowStart", by_key && !self.slow_start.is_zero()),
        ];
        let mut warnings = useless(written, "", &format!("with strategy {strategy}"));
        warnings.extend(self.health_check.iter().flat_map(HealthCheck::warnings));
        warnings.extend(
            self.passive_health_check
                .iter()
                .flat_map(PassiveHealthCheck::warnings),
        );
        warnings.extend(self.retry.warnings());
        warnings.extend(dropped_cookie(self.sticky.as_ref()));
        warnings
    }
}

impl HealthCheck {
    fn warnings(&self) -> Vec<String> {
        let usual = Self::default();
        let (mode, is_http, is_grpc) = match self.mode {
            HealthCheckMode::Http => ("http", true, false),
            HealthCheckMode::Grpc => ("grpc", false, true),
            HealthCheckMode::Tcp => ("tcp", false, false),
        };
        let has_head = is_http || is_grpc;
        let written = [
            ("path", !is_http && self.path != usual.path),
            ("method", !is_http && self.method != usual.method),
            ("status", !is_http && self.status != usual.status),
            (
                "followRedirects",
                !is_http && self.follow_redirects != usual.follow_redirects,
            ),
            ("service", !is_grpc && self.service != usual.service),
            ("hostname", !has_head && self.hostname != usual.hostname),
            ("headers", !has_head && self.headers != usual.headers),
        ];
        useless(written, "healthCheck.", &format!("with mode {mode}"))
    }
}

impl PassiveHealthCheck {
    fn warnings(&self) -> Vec<String> {
        let is_idle = self.error_rate == 0 && self.min_requests != Self::default().min_requests;
        useless(
            [("minRequests", is_idle)],
            "passiveHealthCheck.",
            "without errorRate",
        )
    }
}

impl Retry {
    fn warnings(&self) -> Vec<String> {
        let once = self.attempts == 1;
        let written = [
            ("statuses", once && !self.statuses.is_empty()),
            ("nonIdempotent", once && self.non_idempotent),
        ];
        useless(written, "retry.", "with attempts 1")
    }
}

/// One warning for each option that is written.
fn useless<const N: usize>(written: [(&str, bool); N], block: &str, why: &str) -> Vec<String> {
    let written = written.into_iter().filter(|(_, is_written)| *is_written);
    written
        .map(|(option, _)| format!("{block}{option} has no effect {why}"))
        .collect()
}

/// Browsers take no such cookie.
fn dropped_cookie(sticky: Option<&Sticky>) -> Option<String> {
    let cookie = sticky?.cookie.as_ref()?;
    let is_dropped = cookie.same_site == Some(SameSite::None) && !cookie.secure;
    is_dropped.then(|| "browsers drop a sticky.cookie with sameSite none: add secure: true".to_owned())
}

fn lack_of_services(is_empty: bool) -> Vec<String> {
    let warning = "it has no services: all of its requests are answered 503";
    is_empty.then(|| warning.to_owned()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn warnings(service: Value) -> Vec<String> {
        serde_json::from_value::<Service>(service).unwrap().warnings()
    }

    #[test]
    fn options_that_do_nothing_are_named() {
        for (options, expected) in [
            (
                json!({"hash": {"source": "path"}}),
                vec!["hash has no effect with strategy wrr"],
            ),
            (
                json!({"strategy": "p2c", "hash": {"boundedLoad": 150}}),
                vec!["hash has no effect with strategy p2c"],
            ),
            (
                json!({"strategy": "consistentHash", "sticky": {"cookie": {}}, "slowStart": "1s"}),
                vec![
                    "sticky has no effect with strategy consistentHash",
                    "slowStart has no effect with strategy consistentHash",
                ],
            ),
            (
                json!({"healthCheck": {"service": "a"}}),
                vec!["healthCheck.service has no effect with mode http"],
            ),
            (
                json!({"healthCheck": {"mode": "grpc", "path": "/x", "method": "HEAD", "hostname": "a"}}),
                vec![
                    "healthCheck.path has no effect with mode grpc",
                    "healthCheck.method has no effect with mode grpc",
                ],
            ),
            (
                json!({"healthCheck": {"mode": "tcp", "status": 200, "followRedirects": false, "hostname": "a", "headers": {"a": "b"}}}),
                vec![
                    "healthCheck.status has no effect with mode tcp",
                    "healthCheck.followRedirects has no effect with mode tcp",
                    "healthCheck.hostname has no effect with mode tcp",
                    "healthCheck.headers has no effect with mode tcp",
                ],
            ),
            (
                json!({"passiveHealthCheck": {"minRequests": 5}}),
                vec!["passiveHealthCheck.minRequests has no effect without errorRate"],
            ),
            (
                json!({"retry": {"attempts": 1, "statuses": ["503"], "nonIdempotent": true}}),
                vec![
                    "retry.statuses has no effect with attempts 1",
                    "retry.nonIdempotent has no effect with attempts 1",
                ],
            ),
            (
                json!({"sticky": {"cookie": {"sameSite": "none"}}}),
                vec!["browsers drop a sticky.cookie with sameSite none: add secure: true"],
            ),
        ] {
            assert_eq!(warnings(json!({"loadBalancer": options})), expected, "{options}");
        }
        let lack = ["it has no services: all of its requests are answered 503"];
        assert_eq!(warnings(json!({"weighted": {}})), lack);
        assert_eq!(warnings(json!({"highestRandomWeight": {}})), lack);
    }

    #[test]
    fn options_that_do_something_are_not() {
        for options in [
            json!({}),
            json!({"strategy": "hrw", "hash": {"source": "path", "boundedLoad": 150}}),
            json!({"healthCheck": {"path": "/x", "status": 204, "method": "HEAD"}}),
            json!({"healthCheck": {"mode": "grpc", "service": "a", "headers": {"a": "b"}}}),
            json!({"healthCheck": {"mode": "tcp", "port": 80, "interval": "1s"}}),
            json!({"passiveHealthCheck": {"minRequests": 5, "errorRate": 10}}),
            json!({"retry": {"attempts": 1, "perTryTimeout": "1s"}}),
            json!({"slowStart": "1s", "sticky": {"cookie": {"sameSite": "none", "secure": true}}}),
        ] {
            assert!(warnings(json!({"loadBalancer": options})).is_empty(), "{options}");
        }
    }
}
