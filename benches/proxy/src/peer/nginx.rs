//! nginx: a `server` block for each router.

use std::{fmt::Write, path::Path};

use super::{CERTIFICATE, File, KEPT_CONNECTIONS, MAX_CLIENTS, PATIENCE_SECONDS, Site};

pub(super) fn arguments(folder: &Path) -> Vec<String> {
    let file = |name| folder.join(name).display().to_string();
    let folder = folder.display().to_string();
    vec![
        "-p".into(),
        folder,
        "-c".into(),
        file("nginx.conf"),
        "-e".into(),
        file("error.log"),
    ]
}

pub(super) fn settings(site: &Site<'_>) -> File {
    let servers: String = site
        .servers
        .iter()
        .map(|server| format!("server {server}; "))
        .collect();
    // Its own buffers of 4 kB make it twice as dear with large answers; HAProxy's have 16.
    let text = format!(
        "user root;
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections {MAX_CLIENTS}; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_max_temp_file_size 0;
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    keepalive_requests 1000000000;
    keepalive_timeout {PATIENCE_SECONDS}s;
    upstream servers {{
        {servers}
        keepalive {KEPT_CONNECTIONS};
        keepalive_requests 1000000000;
        keepalive_timeout {PATIENCE_SECONDS}s;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ssl_protocols TLSv1.3;
    include routers.conf;
}}
"
    );
    File {
        name: "nginx.conf",
        text,
    }
}

pub(super) fn routers(site: &Site<'_>, hosts: impl Iterator<Item = String>) -> File {
    let (front, tls) = (site.front, site.setup.tls);
    let kind = if tls { " ssl" } else { "" };
    let certificate = site.folder.join(CERTIFICATE);
    let certificate = certificate.display();
    let mut text = format!("server {{ listen {front}{kind} default_server backlog=4096; return 404;\n");
    if tls {
        text = format!("http2 on; ssl_certificate {certificate}; ssl_certificate_key {certificate};\n{text}");
    }
    text.push_str("}\n");
    for host in hosts {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "server {{ listen {front}{kind}; server_name {host}; location / {{ proxy_pass http://servers; }} }}"
        );
    }
    File {
        name: "routers.conf",
        text,
    }
}
