//! `ipAllowList` and `ipDenyList`: who may pass by address.

use std::{net::IpAddr, ops::ControlFlow};

use bytes::Bytes;
use http::{Response, StatusCode, request};
use ipnet::IpNet;
use mesh_config::model;

use super::{
    Head, InvalidMiddleware, answer,
    source::{IpStrategy, ranges},
};
use crate::sanitize::Peer;

/// Whom a list is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Listed {
    /// Those who may pass.
    Allowed,
    /// Those who may not.
    Denied,
}

/// Addresses, and what becomes of their requests.
#[derive(Debug)]
pub(super) struct IpList {
    /// First and last addresses, sorted; none overlap.
    ranges: Vec<(IpAddr, IpAddr)>,
    listed: Listed,
    strategy: IpStrategy,
    refusal: StatusCode,
}

impl IpList {
    pub(super) fn new(settings: &model::IpList, listed: Listed) -> Result<Self, InvalidMiddleware> {
        if settings.source_range.is_empty() {
            return Err(InvalidMiddleware {
                key: "sourceRange",
                found: String::new(),
                reason: "lists nobody; write addresses or ranges such as 10.0.0.0/8",
            });
        }
        let ranges = IpNet::aggregate(&ranges("sourceRange", &settings.source_range)?);
        let mut ranges: Vec<_> = ranges
            .iter()
            .map(|range| (range.network(), range.broadcast()))
            .collect();
        ranges.sort_unstable();
        let refusal = StatusCode::from_u16(settings.reject_status_code).ok();
        let is_refusal = |status: &StatusCode| {
            (status.is_client_error() || status.is_server_error()) && status.canonical_reason().is_some()
        };
        let strategy = settings.ip_strategy.as_ref().map(IpStrategy::new);
        Ok(Self {
            ranges,
            listed,
            strategy: strategy.transpose()?.unwrap_or_default(),
            refusal: refusal.filter(is_refusal).ok_or_else(|| InvalidMiddleware {
                key: "rejectStatusCode",
                found: settings.reject_status_code.to_string(),
                reason: "is no status of a refusal; write one from 400 to 599 that has a name, such as 403",
            })?,
        })
    }

    fn contains(&self, client: IpAddr) -> bool {
        let behind = self.ranges.partition_point(|(first, _)| *first <= client);
        let last = behind.checked_sub(1).and_then(|at| self.ranges.get(at));
        last.is_some_and(|(_, last)| client <= *last)
    }

    /// A client that cannot be told never may.
    fn may_pass(&self, client: Option<IpAddr>) -> bool {
        let is_listed = client.map(|client| self.contains(client));
        is_listed == Some(self.listed == Listed::Allowed)
    }
}

impl Head for IpList {
    fn request(&self, head: &mut request::Parts, peer: &Peer) -> ControlFlow<Response<Bytes>> {
        match self.may_pass(self.strategy.client(&head.headers, peer)) {
            true => ControlFlow::Continue(()),
            false => answer(self.refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh_config::model::{IpList as Settings, IpStrategy, Middleware};

    use super::{super::tests::compile, *};

    fn settings(ranges: &[&str]) -> Settings {
        Settings {
            source_range: ranges.iter().map(ToString::to_string).collect(),
            ..Settings::default()
        }
    }

    fn passes(ranges: &[&str], listed: Listed, client: &str) -> bool {
        let list = IpList::new(&settings(ranges), listed).unwrap();
        list.may_pass(client.parse().ok())
    }

    #[test]
    fn those_in_a_range_are_listed_and_no_others() {
        let ranges = &[
            "10.1.0.0/16",
            "10.0.0.7",
            "10.1.2.0/24",
            "2001:db8::/32",
            "::ffff:192.0.2.0/120",
        ];
        for (client, is_listed) in [
            ("10.0.0.6", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("10.0.255.255", false),
            ("10.1.0.0", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("192.0.2.9", true),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            assert_eq!(passes(ranges, Listed::Allowed, client), is_listed, "{client}");
            assert_eq!(passes(ranges, Listed::Denied, client), !is_listed, "{client}");
        }
    }

    #[test]
    fn a_client_that_cannot_be_told_passes_neither() {
        for listed in [Listed::Allowed, Listed::Denied] {
            assert!(!passes(&["0.0.0.0/0", "::/0"], listed, "unknown"));
            assert!(!passes(&["10.0.0.1"], listed, ""));
        }
    }

    #[test]
    fn the_client_is_the_one_that_the_strategy_finds() {
        let mut settings = settings(&["192.0.2.1"]);
        settings.ip_strategy = Some(IpStrategy {
            depth: 1,
            ..IpStrategy::default()
        });
        settings.reject_status_code = 404;
        let list = IpList::new(&settings, Listed::Allowed).unwrap();
        for (told, status) in [
            ("6.6.6.6, 192.0.2.1", None),
            ("192.0.2.1, 6.6.6.6", Some(404)),
            ("", Some(404)),
        ] {
            let request = http::Request::builder().header("x-forwarded-for", told);
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            let answer = list
                .request(&mut head, &super::super::tests::peer())
                .break_value();
            assert_eq!(answer.map(|answer| answer.status().as_u16()), status, "{told}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let status = |status| Settings {
            reject_status_code: status,
            ..settings(&["10.0.0.1"])
        };
        let strategy = Settings {
            ip_strategy: Some(IpStrategy {
                ipv6_subnet: Some(129),
                ..IpStrategy::default()
            }),
            ..settings(&["10.0.0.1"])
        };
        let wrong = [
            settings(&[]),
            settings(&["10.0.0.0/33"]),
            settings(&["localhost"]),
            status(200),
            status(499),
            status(1000),
            strategy,
        ];
        for settings in wrong {
            for definition in [
                Middleware::IpAllowList,
                Middleware::IpDenyList,
                Middleware::IpWhiteList,
            ] {
                assert!(
                    compile(&definition(settings.clone())).is_err(),
                    "{settings:?} was taken"
                );
            }
        }
    }
}
