//! From Consul's answers to instances. Pure and total: an instance that cannot serve keeps its place with the
//! reason, its neighbours live on.

use std::net::IpAddr;

use mesh_config::{
    Origin,
    instance::{Address, Endpoint, Instance, LabelSet, Lifecycle},
};

use crate::{
    answer::{CheckResult, Entry},
    settings::Check,
};

/// Node and service maintenance are checks with these names.
const NODE_MAINTENANCE: &str = "_node_maintenance";
const SERVICE_MAINTENANCE: &str = "_service_maintenance";

/// How much of a check's output is shown.
const MAX_REASON_CHARS: usize = 200;

/// How to read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// First parts of the tags of ours.
    pub prefixes: Vec<String>,
    /// The states that get requests.
    pub accepted: Vec<Check>,
}

impl Translation {
    /// Translates all instances of a service.
    pub fn instances(&self, entries: &[Entry]) -> Vec<Instance> {
        // A sidecar carries the traffic of a service it stands beside; it is not one more copy of it.
        let ordinary = entries.iter().filter(|entry| entry.service.kind.is_empty());
        ordinary.map(|entry| self.instance(entry)).collect()
    }

    /// True when `tag` is one of ours that switches `option` on: `mesh.enable=true`.
    pub fn says(&self, tag: &str, option: &str) -> bool {
        let Some((key, value)) = tag.split_once('=') else {
            return false;
        };
        let key = key.trim().to_ascii_lowercase();
        let is_on = matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "t" | "true");
        let is_ours = |prefix: &String| {
            let rest = key.strip_prefix(&prefix.to_ascii_lowercase());
            rest.and_then(|rest| rest.strip_prefix('.')) == Some(option)
        };
        is_on && self.prefixes.iter().any(is_ours)
    }

    fn instance(&self, entry: &Entry) -> Instance {
        let (node, service) = (&entry.node, &entry.service);
        let origin = Origin::new(format!("consul service {} on {}", service.id, node.node));
        let (state, reason) = state(&entry.checks);
        let weight = match state {
            Check::Warning => service.weights.warning,
            Check::Passing | Check::Critical | Check::Maintenance | Check::Any => service.weights.passing,
        };
        let (lifecycle, reason) = if service
            .tags
            .iter()
            .any(|tag| self.says(tag, "consulcatalog.connect"))
        {
            // Its users asked for mutual TLS: nothing is sent in the clear instead.
            (
                Lifecycle::Unhealthy,
                Some("tagged for Consul Connect, which this version does not serve".to_owned()),
            )
        } else if self.accepted.contains(&Check::Any) || self.accepted.contains(&state) {
            (Lifecycle::Ready, None)
        } else if state == Check::Maintenance
            && !entry
                .checks
                .iter()
                .any(|check| severity(check) == Check::Critical)
        {
            // Taken out by hand while it serves: it may finish what it has.
            (Lifecycle::Draining, reason)
        } else {
            (
                Lifecycle::Unhealthy,
                reason.or_else(|| Some(format!("strictChecks lacks {}", state.as_str()))),
            )
        };
        let address = [&service.address, &node.address]
            .into_iter()
            .find(|address| !address.is_empty());
        let port = u16::try_from(service.port).ok().filter(|port| *port > 0);
        Instance {
            id: format!("{}/{}", node.node, service.id).into(),
            service: service.service.as_str().into(),
            address: address.map(|address| to_address(address)),
            endpoints: port.map(endpoint).into_iter().collect(),
            lifecycle,
            reason,
            weight: u32::try_from(weight).unwrap_or(0),
            zone: node.zone().map(Into::into),
            created: service.create_index,
            labels: labels(entry, &origin),
            tags: service.tags.clone(),
            origin,
        }
    }
}

fn to_address(text: &str) -> Address {
    text.parse::<IpAddr>()
        .map_or_else(|_| Address::Name(text.to_owned()), Address::Ip)
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        name: None,
        declared_port: port,
        port,
    }
}

/// `Meta` first: a tag that says otherwise wins. Consul takes no dots in keys of `Meta`, so `_` stands for them.
fn labels(entry: &Entry, origin: &Origin) -> Vec<LabelSet> {
    let meta = entry
        .service
        .meta
        .iter()
        .map(|(key, value)| (key.replace('_', "."), value.clone()));
    let tags = entry.service.tags.iter().filter_map(|tag| tag.split_once('='));
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let sets = [("meta", meta.collect::<Vec<_>>()), ("tags", tags.collect())];
    sets.into_iter()
        .filter(|(_, labels)| !labels.is_empty())
        .map(|(what, labels)| LabelSet {
            origin: Origin::new(format!("{what} of {origin}")),
            labels,
        })
        .collect()
}

/// The worst of all checks, those of the node included, and which one it is.
fn state(checks: &[CheckResult]) -> (Check, Option<String>) {
    let worst = checks
        .iter()
        .map(|check| (severity(check), check))
        .rev()
        .max_by_key(|(state, _)| *state);
    match worst {
        None | Some((Check::Passing, _)) => (Check::Passing, None),
        Some((Check::Maintenance, check)) => (
            Check::Maintenance,
            Some(with_detail("in maintenance", &check.notes)),
        ),
        Some((state, check)) => {
            let name = if check.name.is_empty() {
                &check.id
            } else {
                &check.name
            };
            let text = format!("check {name:?} is {}", check.status);
            (state, Some(with_detail(&text, &check.output)))
        }
    }
}

fn severity(check: &CheckResult) -> Check {
    let id = check.id.as_str();
    let maintained = id == NODE_MAINTENANCE
        || id
            .strip_prefix(SERVICE_MAINTENANCE)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    match check.status.as_str() {
        "critical" if maintained => Check::Maintenance,
        "passing" => Check::Passing,
        "warning" => Check::Warning,
        "maintenance" => Check::Maintenance,
        // A state this version does not know is none to send requests to.
        _ => Check::Critical,
    }
}

fn with_detail(text: &str, detail: &str) -> String {
    let line: String = detail
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .chars()
        .take(MAX_REASON_CHARS)
        .collect();
    if line.is_empty() {
        text.to_owned()
    } else {
        format!("{text}: {line}")
    }
}
