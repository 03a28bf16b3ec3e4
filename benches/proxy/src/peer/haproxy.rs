//! HAProxy: a line in a map for each router.

use std::path::Path;

use super::{CERTIFICATE, File, MAX_CLIENTS, PATIENCE_SECONDS, Site};

/// Master and worker, because a reload needs both.
pub(super) fn arguments(folder: &Path) -> Vec<String> {
    let settings = folder.join("haproxy.cfg").display().to_string();
    vec!["-W".into(), "-f".into(), settings]
}

pub(super) fn settings(site: &Site<'_>) -> File {
    let servers = site.servers.iter().enumerate();
    let servers: String = servers
        .map(|(number, server)| format!("    server s{number} {server}\n"))
        .collect();
    let tls = if site.setup.tls {
        let certificate = site.folder.join(CERTIFICATE);
        format!(
            " ssl crt {} alpn h2,http/1.1 ssl-min-ver TLSv1.3",
            certificate.display()
        )
    } else {
        String::new()
    };
    let (front, map) = (site.front, site.folder.join("hosts.map"));
    let map = map.display();
    // The limit of open files may be lower than it asks for; that is no reason not to start.
    let text = format!(
        "global
    nbthread 1
    maxconn {MAX_CLIENTS}
    no strict-limits
defaults
    mode http
    timeout connect {PATIENCE_SECONDS}s
    timeout client {PATIENCE_SECONDS}s
    timeout server {PATIENCE_SECONDS}s
    timeout http-keep-alive {PATIENCE_SECONDS}s
    maxconn {MAX_CLIENTS}
    backlog 4096
    http-reuse always
    option forwardfor
frontend front
    bind {front}{tls}
    use_backend %[req.hdr(host),host_only,lower,map_str({map})]
backend servers
    balance roundrobin
    default-server pool-purge-delay {PATIENCE_SECONDS}s
{servers}"
    );
    File {
        name: "haproxy.cfg",
        text,
    }
}

pub(super) fn routers(hosts: impl Iterator<Item = String>) -> File {
    let text = hosts.map(|host| format!("{host} servers\n")).collect();
    File {
        name: "hosts.map",
        text,
    }
}
