//! Where a container listens.

use std::{collections::BTreeSet, net::IpAddr};

use mesh_config::instance::{Address, Endpoint};

use crate::answer::{Container, ContainerDefinition, Task, TaskDefinition};

/// Most ports of a range that are taken.
const MAX_RANGE: u16 = 200;

/// Protocols of a port that say it speaks HTTP.
const HTTP: [&str; 3] = ["http", "http2", "grpc"];

/// How containers get at the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An interface for each task.
    Awsvpc,
    /// Ports of the host that lead to ports of the container.
    Bridge,
    /// The host's own ports.
    Host,
    /// Not at all.
    None,
}

impl Mode {
    pub(crate) fn of(definition: &TaskDefinition) -> Self {
        match definition.network_mode.as_str() {
            "awsvpc" => Self::Awsvpc,
            "host" => Self::Host,
            "none" => Self::None,
            // No mode is bridge on Linux; NAT is the same on Windows.
            _ => Self::Bridge,
        }
    }

    /// True if a task is reached at the address of the machine it runs on.
    pub(crate) fn needs_machine(self) -> bool {
        matches!(self, Self::Bridge | Self::Host)
    }
}

/// The address of a task's own interface.
pub(crate) fn own_address(task: &Task, container: Option<&Container>) -> Option<Address> {
    let interfaces = container
        .iter()
        .flat_map(|container| &container.network_interfaces);
    let of_interface =
        interfaces.flat_map(|interface| [&interface.private_ipv4_address, &interface.ipv6_address]);
    let attached = task
        .attachments
        .iter()
        .filter(|attachment| attachment.kind == "ElasticNetworkInterface");
    let details: Vec<_> = attached.flat_map(|attachment| &attachment.details).collect();
    let detail = |name: &'static str| details.iter().filter(move |detail| detail.name == name);
    let of_attachment = detail("privateIPv4Address").chain(detail("ipv6Address"));
    let mut all = of_interface.chain(of_attachment.map(|detail| &detail.value));
    all.find_map(|text| text.parse::<IpAddr>().ok()).map(Address::Ip)
}

/// True if it has a port that TCP reaches.
pub(crate) fn has_tcp(definition: &ContainerDefinition) -> bool {
    !declared(definition).is_empty()
}

/// The ports of a container, the default one first. Without one, or where none of several stands out, why.
pub(crate) fn endpoints(
    mode: Mode,
    definition: &ContainerDefinition,
    container: Option<&Container>,
    chosen_by_label: bool,
) -> Result<Vec<Endpoint>, String> {
    let mut endpoints = match (mode, container) {
        (Mode::None, _) => return Err("its network mode is none".to_owned()),
        (Mode::Awsvpc, _) => declared(definition),
        (Mode::Bridge | Mode::Host, Some(container)) if !container.network_bindings.is_empty() => {
            bound(definition, container)
        }
        (Mode::Host, _) => declared(definition),
        (Mode::Bridge, _) if has_tcp(definition) => {
            return Err("no port of its machine leads to it yet".to_owned());
        }
        (Mode::Bridge, _) => Vec::new(),
    };
    let speaks_http = |endpoint: &Endpoint| {
        let mut mappings = definition.port_mappings.iter();
        mappings.any(|mapping| {
            mapping.container_port == Some(endpoint.declared_port)
                && HTTP.contains(&mapping.app_protocol.as_str())
        })
    };
    endpoints.sort_by_key(|endpoint| !speaks_http(endpoint));
    match endpoints.as_slice() {
        [] if !chosen_by_label => Err(format!("container {} has no TCP port", definition.name)),
        [first, _, ..] if !chosen_by_label && !speaks_http(first) => {
            let all: Vec<String> = endpoints
                .iter()
                .map(|endpoint| endpoint.declared_port.to_string())
                .collect();
            Err(format!(
                "container {} has several ports: say which by mesh.port, one of {}",
                definition.name,
                all.join(" ")
            ))
        }
        _ => Ok(endpoints),
    }
}

/// The ports as they are defined, where nothing translates.
fn declared(definition: &ContainerDefinition) -> Vec<Endpoint> {
    let tcp = definition
        .port_mappings
        .iter()
        .filter(|mapping| is_tcp(&mapping.protocol));
    let mut seen = BTreeSet::new();
    tcp.flat_map(|mapping| {
        let name = Some(mapping.name.clone()).filter(|name| !name.is_empty());
        pairs(
            mapping.container_port,
            &mapping.container_port_range,
            None,
            &mapping.container_port_range,
        )
        .into_iter()
        .map(move |(port, _)| Endpoint {
            name: name.clone(),
            declared_port: port,
            port,
        })
    })
    .filter(|endpoint| seen.insert(endpoint.port))
    .collect()
}

/// The ports of the host that lead to the container. IPv4 and IPv6 have a binding each for the same port.
fn bound(definition: &ContainerDefinition, container: &Container) -> Vec<Endpoint> {
    let tcp = container
        .network_bindings
        .iter()
        .filter(|binding| is_tcp(&binding.protocol));
    let named = |port: u16| {
        let mut mappings = definition.port_mappings.iter();
        let mapping =
            mappings.find(|mapping| mapping.container_port == Some(port) && is_tcp(&mapping.protocol));
        mapping
            .map(|mapping| mapping.name.clone())
            .filter(|name| !name.is_empty())
    };
    let mut seen = BTreeSet::new();
    tcp.flat_map(|binding| {
        pairs(
            binding.container_port,
            &binding.container_port_range,
            binding.host_port,
            &binding.host_port_range,
        )
    })
    .filter(|(inside, outside)| *outside > 0 && seen.insert(*inside))
    .map(|(inside, outside)| Endpoint {
        name: named(inside),
        declared_port: inside,
        port: outside,
    })
    .collect()
}

/// Ports inside and outside, of a single mapping or of a range.
fn pairs(
    inside: Option<u16>,
    inside_range: &str,
    outside: Option<u16>,
    outside_range: &str,
) -> Vec<(u16, u16)> {
    if let Some(inside) = inside {
        return vec![(inside, outside.unwrap_or(inside))];
    }
    let (Some(inside), Some(outside)) = (range(inside_range), range(outside_range)) else {
        return Vec::new();
    };
    inside.zip(outside).take(usize::from(MAX_RANGE)).collect()
}

/// `8000-8009`
fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

fn is_tcp(protocol: &str) -> bool {
    protocol.is_empty() || protocol == "tcp"
}
