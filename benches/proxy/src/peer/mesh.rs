//! Mesh: a router for each host in a file that is watched; metrics on.

use std::{fmt::Write, path::Path};

use super::{CERTIFICATE, File, KEPT_CONNECTIONS, PATIENCE_SECONDS, Site};

pub(super) fn arguments(folder: &Path) -> Vec<String> {
    let settings = folder.join("mesh.yml").display().to_string();
    vec!["--config".into(), settings]
}

pub(super) fn settings(site: &Site<'_>) -> File {
    let (front, routers) = (site.front, site.folder.join("routers.yml"));
    let routers = routers.display();
    let text = format!(
        "workers: 1
snapshot: {{enabled: false}}
entryPoints:
  web:
    address: \"{front}\"
    transport: {{respondingTimeouts: {{idleTimeout: {PATIENCE_SECONDS}s}}}}
  mesh: {{address: \"127.0.0.1:0\"}}
metrics: {{prometheus: {{}}}}
serversTransport:
  maxIdleConnsPerHost: {KEPT_CONNECTIONS}
  forwardingTimeouts: {{idleConnTimeout: {PATIENCE_SECONDS}s}}
providers: {{file: {{filename: \"{routers}\"}}}}
"
    );
    File {
        name: "mesh.yml",
        text,
    }
}

pub(super) fn routers(site: &Site<'_>, hosts: impl Iterator<Item = String>) -> File {
    let certificate = site.folder.join(CERTIFICATE);
    let certificate = certificate.display();
    let mut text = String::new();
    if site.setup.tls {
        text = format!(
            "tls: {{stores: {{default: {{defaultCertificate: {{certFile: \"{certificate}\", keyFile: \"{certificate}\"}}}}}}}}\n"
        );
    }
    let servers: Vec<_> = site
        .servers
        .iter()
        .map(|server| format!("{{url: \"http://{server}\"}}"))
        .collect();
    let tls = if site.setup.tls { ", tls: {}" } else { "" };
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "http:\n  services:\n    servers: {{loadBalancer: {{servers: [{}]}}}}\n  routers:\n",
        servers.join(", ")
    );
    for (number, host) in hosts.enumerate() {
        let _ = writeln!(
            text,
            "    r{number}: {{rule: \"Host(`{host}`)\", service: servers{tls}}}"
        );
    }
    File {
        name: "routers.yml",
        text,
    }
}
