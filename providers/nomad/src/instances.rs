//! From Nomad's answers to instances. Pure and total: an instance that cannot serve keeps its place with the
//! reason, its neighbours live on.

use std::net::IpAddr;

use mesh_config::{
    Origin,
    instance::{Address, Endpoint, Instance, LabelSet, Lifecycle},
};

use crate::{
    answer::Registration,
    table::{Standing, Table, is_stopping},
};

/// How much of an allocation's id Nomad's own tools show.
const SHORT_ID: usize = 8;

/// How to read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// First parts of the tags of ours.
    pub prefixes: Vec<String>,
}

impl Translation {
    /// What a registered instance is, by what is known of its allocation.
    pub fn instance(&self, registration: &Registration, table: &Table) -> Instance {
        self.at(registration, table, table.standing(registration))
    }

    /// What an instance is whose registration ended before it did. It drains if it is being stopped. Otherwise the
    /// list of allocations may be late, and it may be used while nothing else is ready.
    pub fn deregistered(&self, registration: &Registration, table: &Table) -> Instance {
        let standing = match table.allocation(&registration.alloc_id) {
            Some(allocation) if is_stopping(allocation) => table.standing(registration),
            _ => {
                let reason = "deregistered, and its allocation still runs".to_owned();
                (Lifecycle::Starting, Some(reason))
            }
        };
        self.at(registration, table, standing)
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

    fn at(&self, registration: &Registration, table: &Table, (lifecycle, reason): Standing) -> Instance {
        let short: String = registration.alloc_id.chars().take(SHORT_ID).collect();
        let origin = Origin::new(format!(
            "nomad service {} of allocation {short}",
            registration.service_name
        ));
        let port = u16::try_from(registration.port).ok().filter(|port| *port > 0);
        Instance {
            id: registration.id.as_str().into(),
            service: registration.service_name.as_str().into(),
            address: (!registration.address.is_empty()).then(|| to_address(&registration.address)),
            endpoints: port.map(endpoint).into_iter().collect(),
            lifecycle,
            reason,
            weight: 1,
            zone: (!registration.datacenter.is_empty()).then(|| registration.datacenter.as_str().into()),
            created: registration.create_index,
            labels: self.labels(registration, table, &origin),
            tags: registration.tags.clone(),
            origin,
        }
    }

    /// Weakest first: that a deployment calls it a canary, then what its tags say.
    fn labels(&self, registration: &Registration, table: &Table, origin: &Origin) -> Vec<LabelSet> {
        let allocation = table.allocation(&registration.alloc_id);
        let is_canary = allocation.is_some_and(|allocation| allocation.deployment_status.canary);
        let canary = self.prefixes.first().filter(|_| is_canary);
        let canary = canary.map(|prefix| (format!("{prefix}.canary"), "true".to_owned()));
        let tags = registration.tags.iter().filter_map(|tag| tag.split_once('='));
        let tags = tags.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
        [
            ("deployment", canary.into_iter().collect::<Vec<_>>()),
            ("tags", tags.collect()),
        ]
        .into_iter()
        .filter(|(_, labels)| !labels.is_empty())
        .map(|(what, labels)| LabelSet {
            origin: Origin::new(format!("{what} of {origin}")),
            labels,
        })
        .collect()
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
