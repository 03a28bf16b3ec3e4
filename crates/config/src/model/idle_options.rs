//! Options that are written and do nothing: their service serves, and not as its user may believe.

use super::{
    Hash, HealthCheck, HealthCheckMode, LoadBalancer, PassiveHealthCheck, Retry, SameSite, Service,
    ServiceKind, Sticky, Strategy,
};
use crate::name::ProviderName;

impl Service {
    /// What its user should look at although it serves, by the name of the option.
    pub fn warnings(&self) -> Vec<String> {
        match &self.kind {
            ServiceKind::LoadBalancer(balancer) => balancer.warnings(),
            ServiceKind::Weighted(weighted) => {
                let mut warnings = lack_of_services(weighted.services.is_empty());
                warnings.extend(lack_of_weight(weighted.services.iter().map(|share| share.weight)));
                warnings.extend(idle_sticky(weighted.sticky.as_ref()));
                warnings
            }
            ServiceKind::HighestRandomWeight(weighted) => {
                let mut warnings = lack_of_services(weighted.services.is_empty());
                warnings.extend(lack_of_weight(weighted.services.iter().map(|share| share.weight)));
                warnings
            }
            ServiceKind::Mirroring(mirroring) if mirroring.mirrors.is_empty() => {
                vec!["it has no mirrors: nobody gets copies".to_owned()]
            }
            ServiceKind::Mirroring(_) | ServiceKind::Failover(_) => Vec::new(),
        }
    }

    /// The same for one of `provider` in a Mesh whose own zone is `zone`. Where servers are discovered, it is no mistake of
    /// a definition that it has none.
    pub fn warnings_within(&self, provider: &ProviderName, zone: &str) -> Vec<String> {
        let mut warnings = self.warnings();
        let ServiceKind::LoadBalancer(balancer) = &self.kind else {
            return warnings;
        };
        if balancer.servers.is_empty() && provider.as_str() == ProviderName::FILE {
            warnings.push("servers has no entry: all of its requests are answered 503".to_owned());
        }
        if balancer.zone_preference.is_some() && zone.is_empty() {
            let text = "zonePreference has no effect: nobody says which zone Mesh itself is in; set zone in the static \
                        settings (tasks of ECS know theirs)";
            warnings.push(text.to_owned());
        }
        warnings
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
        let is_nowhere = self.servers.iter().all(|server| server.zone.is_empty());
        if self.zone_preference.is_some() && !self.servers.is_empty() && is_nowhere {
            warnings.push("zonePreference has no effect: no server has a zone".to_owned());
        }
        let (one, all) = (self.retry.per_try_timeout, self.timeouts.request);
        if !all.is_zero() && one > all {
            warnings.push("retry.perTryTimeout has no effect: timeouts.request is over before it".to_owned());
        }
        warnings.extend(idle_sticky(self.sticky.as_ref()));
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
        let never = if self.error_rate == 0 && self.max_failed_attempts == 0 {
            Some("with maxFailedAttempts 0 and without errorRate")
        } else if self.max_ejection_percent == 0 {
            Some("with maxEjectionPercent 0")
        } else {
            None
        };
        if let Some(why) = never {
            return vec![format!(
                "passiveHealthCheck has no effect {why}: it ejects no server"
            )];
        }
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
        let mut warnings = useless(written, "retry.", "with attempts 1");
        if !once && self.budget_percent == 0 && self.min_retries_per_second == 0 {
            warnings.push(
                "retry.attempts has no effect with budgetPercent 0 and minRetriesPerSecond 0, except after servers that \
                 refuse the connection"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// One warning for each option that is written.
fn useless<const N: usize>(written: [(&str, bool); N], block: &str, why: &str) -> Vec<String> {
    let written = written.into_iter().filter(|(_, is_written)| *is_written);
    written
        .map(|(option, _)| format!("{block}{option} has no effect {why}"))
        .collect()
}

/// A cookie that is missing, or that browsers do not take.
fn idle_sticky(sticky: Option<&Sticky>) -> Option<String> {
    let Some(cookie) = &sticky?.cookie else {
        return Some("sticky has no effect without a cookie: add cookie: {}".to_owned());
    };
    let is_dropped = cookie.same_site == Some(SameSite::None) && !cookie.secure;
    is_dropped.then(|| "browsers drop a sticky.cookie with sameSite none: add secure: true".to_owned())
}

fn lack_of_services(is_empty: bool) -> Vec<String> {
    let warning = "it has no services: all of its requests are answered 503";
    is_empty.then(|| warning.to_owned()).into_iter().collect()
}

fn lack_of_weight(mut weights: impl ExactSizeIterator<Item = u32>) -> Option<String> {
    let warning = "all of its services have weight 0: all of its requests are answered 503";
    (weights.len() > 0 && weights.all(|weight| weight == 0)).then(|| warning.to_owned())
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
    }

    #[test]
    fn options_that_others_make_useless_are_named() {
        for (options, expected) in [
            (
                json!({"passiveHealthCheck": {"maxFailedAttempts": 0, "minRequests": 5}}),
                vec![
                    "passiveHealthCheck has no effect with maxFailedAttempts 0 and without errorRate: it ejects no server",
                ],
            ),
            (
                json!({"passiveHealthCheck": {"maxEjectionPercent": 0, "errorRate": 5}}),
                vec!["passiveHealthCheck has no effect with maxEjectionPercent 0: it ejects no server"],
            ),
            (
                json!({"retry": {"perTryTimeout": "2s"}, "timeouts": {"request": "1s"}}),
                vec!["retry.perTryTimeout has no effect: timeouts.request is over before it"],
            ),
            (
                json!({"retry": {"budgetPercent": 0, "minRetriesPerSecond": 0}}),
                vec![
                    "retry.attempts has no effect with budgetPercent 0 and minRetriesPerSecond 0, except after servers that refuse the connection",
                ],
            ),
            (
                json!({"zonePreference": {}, "servers": [{"url": "http://a"}]}),
                vec!["zonePreference has no effect: no server has a zone"],
            ),
            (
                json!({"sticky": {}}),
                vec!["sticky has no effect without a cookie: add cookie: {}"],
            ),
        ] {
            assert_eq!(warnings(json!({"loadBalancer": options})), expected, "{options}");
        }
    }

    #[test]
    fn services_over_others_without_any_are_named() {
        let lack = ["it has no services: all of its requests are answered 503"];
        assert_eq!(warnings(json!({"weighted": {}})), lack);
        assert_eq!(warnings(json!({"highestRandomWeight": {}})), lack);
        let weightless = json!({"services": [{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]});
        let none = ["all of its services have weight 0: all of its requests are answered 503"];
        assert_eq!(warnings(json!({"weighted": weightless})), none);
        assert_eq!(warnings(json!({"highestRandomWeight": weightless})), none);
        assert_eq!(
            warnings(json!({"mirroring": {"service": "a", "mirrors": []}})),
            ["it has no mirrors: nobody gets copies"]
        );
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
            json!({"retry": {"attempts": 1, "perTryTimeout": "1s"}, "timeouts": {"request": "2s"}}),
            json!({"retry": {"attempts": 1, "budgetPercent": 0, "minRetriesPerSecond": 0}}),
            json!({"passiveHealthCheck": {"maxFailedAttempts": 0, "errorRate": 5}}),
            json!({"zonePreference": {}, "servers": [{"url": "http://a", "zone": "x"}, {"url": "http://b"}]}),
            json!({"slowStart": "1s", "sticky": {"cookie": {"sameSite": "none", "secure": true}}}),
        ] {
            assert!(warnings(json!({"loadBalancer": options})).is_empty(), "{options}");
        }
    }
}
