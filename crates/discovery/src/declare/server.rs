//! How an instance becomes a server.

use mesh_config::{
    instance::{Instance, Lifecycle},
    labels::{PortChoice, ServerTemplate},
    model::{Server, ServerUrl, Written},
};

/// Why an instance that left its provider's list is still there.
const GONE: &str = "no longer listed by its provider";

/// The server that `instance` is according to `template`, or why it cannot be one.
pub(super) fn server(instance: &Instance, template: &ServerTemplate, gone: bool) -> Result<Server, String> {
    let (lifecycle, reason) = if gone {
        (Lifecycle::Draining, Some(GONE.to_owned()))
    } else {
        (instance.lifecycle, instance.reason.clone())
    };
    Ok(Server {
        url: url(instance, template).map_err(|missing| because(missing, instance))?,
        weight: template.weight.unwrap_or(instance.weight),
        preserve_path: template.preserve_path,
        zone: match (&template.zone, &instance.zone) {
            (Some(zone), _) => zone.clone(),
            (None, Some(zone)) => zone.to_string(),
            (None, None) => String::new(),
        },
        canary: false,
        lifecycle,
        reason,
        origin: Some(instance.origin.clone()),
    })
}

/// What is missing, and what its provider says of that.
fn because(missing: String, instance: &Instance) -> String {
    match &instance.reason {
        Some(reason) => format!("{missing}: {reason}"),
        None => missing,
    }
}

fn url(instance: &Instance, template: &ServerTemplate) -> Result<ServerUrl, String> {
    if let Some(url) = &template.url {
        return Ok(url.clone());
    }
    let address = instance
        .address
        .as_ref()
        .ok_or("its provider gives no address for it")?;
    let host = match address {
        mesh_config::instance::Address::Ip(ip) => ip.to_string(),
        mesh_config::instance::Address::Name(name) => name.clone(),
    };
    Ok(ServerUrl {
        scheme: template.scheme.unwrap_or_default(),
        host,
        port: port(instance, template.port.as_ref())?,
        path: String::new(),
        written: Written::default(),
    })
}

/// A number means a port as the workload declares it where there is such a one, else the port itself.
fn port(instance: &Instance, choice: Option<&PortChoice>) -> Result<u16, String> {
    let mut endpoints = instance.endpoints.iter();
    let port = match choice {
        None => endpoints
            .next()
            .map(|endpoint| endpoint.port)
            .ok_or("port is missing: its provider gives none and no label names one")?,
        Some(PortChoice::Number(number)) => endpoints
            .find(|endpoint| endpoint.declared_port == *number)
            .map_or(*number, |endpoint| endpoint.port),
        Some(PortChoice::Name(name)) => endpoints
            .find(|endpoint| endpoint.name.as_deref() == Some(name))
            .map(|endpoint| endpoint.port)
            .ok_or_else(|| format!("it has no port named {name:?}; {}", known_ports(instance)))?,
    };
    match port {
        0 => Err("port is missing: its provider says 0".to_owned()),
        port => Ok(port),
    }
}

fn known_ports(instance: &Instance) -> String {
    let names: Vec<_> = instance
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.name.as_deref())
        .collect();
    match names.as_slice() {
        [] => "its ports have no names".to_owned(),
        names => format!("there are {}", names.join(", ")),
    }
}
