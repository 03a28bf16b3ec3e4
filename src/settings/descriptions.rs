//! What each option does, in one line, for `--help` and the reference.

mod entry_points;
mod providers;

/// Path, default as written (empty: absent), and what it does. Tests hold the list complete and the defaults true.
pub(crate) type Description = (&'static str, &'static str, &'static str);

/// All of them, in the order of their paths.
pub(crate) fn descriptions() -> impl Iterator<Item = &'static Description> {
    [
        BEFORE,
        entry_points::DESCRIPTIONS,
        BETWEEN,
        providers::DESCRIPTIONS,
        AFTER,
    ]
    .into_iter()
    .flatten()
}

/// Those in front of `entryPoints`.
const BEFORE: &[Description] = &[
    (
        "accessLog.addInternals",
        "false",
        "Log requests to services of Mesh itself (API, ping, metrics, redirections), too.",
    ),
    (
        "accessLog.bufferingSize",
        "0",
        "Lines that may wait to be written; further ones are lost and counted. 0 means 8192.",
    ),
    (
        "accessLog.fields.defaultMode",
        "keep",
        "What happens to fields that `names` does not list.",
    ),
    (
        "accessLog.fields.headers.defaultMode",
        "drop",
        "What happens to headers that `names` does not list.",
    ),
    (
        "accessLog.fields.headers.names.<name>",
        "",
        "What happens to one header, in any case.",
    ),
    (
        "accessLog.fields.names.<name>",
        "",
        "What happens to one field, in any case.",
    ),
    (
        "accessLog.fields.queryParameters.defaultMode",
        "keep",
        "`drop` takes the query off every logged path.",
    ),
    (
        "accessLog.filePath",
        "",
        "The file to append to; absent means standard output. SIGUSR1 opens it again.",
    ),
    (
        "accessLog.filters.minDuration",
        "0s",
        "Log requests that took at least this long.",
    ),
    (
        "accessLog.filters.retryAttempts",
        "false",
        "Log requests for which another server was tried.",
    ),
    (
        "accessLog.filters.statusCodes",
        "",
        "Log these statuses: `404`, `500-599`. Filters add up; without any, all requests are logged.",
    ),
    ("accessLog.format", "common", "How a line looks."),
    ("api.basePath", "/", "What comes before `/api` in every path."),
    (
        "api.cachePurge",
        "false",
        "Let those who reach the API throw away what middlewares keep, by `DELETE /api/cache`.",
    ),
    (
        "api.dashboard",
        "",
        "Accepted for files written for a version with a dashboard; this one has none.",
    ),
    (
        "api.debug",
        "false",
        "Accepted for files written for a version with debug pages; this one has none.",
    ),
    (
        "api.insecure",
        "false",
        "Serve the API on the `mesh` entrypoint to everybody who reaches it. Off: only where a router leads to `api@internal`.",
    ),
    (
        "discovery.drain",
        "10s",
        "How long an instance that its provider no longer lists is kept as draining.",
    ),
    (
        "discovery.routeRetention",
        "10m",
        "How long the routes of a service without instances answer 503 before they are forgotten; 0 forgets at once.",
    ),
];

/// Those between `entryPoints` and `providers`.
const BETWEEN: &[Description] = &[
    (
        "global.checkNewVersion",
        "false",
        "Accepted for compatibility: Mesh never asks for newer versions.",
    ),
    (
        "global.sendAnonymousUsage",
        "false",
        "Accepted for compatibility: Mesh sends no statistics.",
    ),
    (
        "log.filePath",
        "",
        "The file to append to; absent means standard error.",
    ),
    (
        "log.format",
        "",
        "How a line looks; absent means `common` on a terminal and `json` elsewhere.",
    ),
    (
        "log.level",
        "INFO",
        "The least urgent level that is written: TRACE, DEBUG, INFO, WARN or ERROR.",
    ),
    ("log.noColor", "false", "No colours, even on a terminal."),
    (
        "metrics.addInternals",
        "false",
        "Count requests to services of Mesh itself (API, ping, metrics, redirections), too.",
    ),
    (
        "metrics.prometheus.addEntryPointsLabels",
        "true",
        "Offer the `entrypoint_` family.",
    ),
    (
        "metrics.prometheus.addRoutersLabels",
        "true",
        "Offer the `router_` family.",
    ),
    (
        "metrics.prometheus.addServicesLabels",
        "true",
        "Offer the `service_` family.",
    ),
    (
        "metrics.prometheus.buckets",
        "0.1,0.3,1.2,5",
        "Upper bounds of the duration histogram, in seconds.",
    ),
    (
        "metrics.prometheus.entryPoint",
        "mesh",
        "The entrypoint that serves `/metrics`.",
    ),
    (
        "metrics.prometheus.manualRouting",
        "false",
        "Make no router; route to `prometheus@internal` yourself.",
    ),
    (
        "metrics.prometheus.maxSeries",
        "20000",
        "Most series a worker keeps; requests beyond are counted under `other`.",
    ),
    (
        "ping.entryPoint",
        "mesh",
        "The entrypoint that serves `/ping` and `/ready`.",
    ),
    (
        "ping.manualRouting",
        "false",
        "Make no routers; route to `ping@internal` and `ready@internal` yourself.",
    ),
    (
        "ping.terminatingStatusCode",
        "503",
        "What `/ping` answers once Mesh is stopping.",
    ),
];

/// Those behind `providers`.
const AFTER: &[Description] = &[
    (
        "serversTransport.certificates[0].certFile",
        "",
        "The certificate by which Mesh proves to servers who it is: a file, or PEM text.",
    ),
    ("serversTransport.certificates[0].keyFile", "", "Its key."),
    (
        "serversTransport.cipherSuites",
        "",
        "Cipher suites that may be used; absent means all that are safe.",
    ),
    (
        "serversTransport.disableHTTP2",
        "false",
        "Speak HTTP/1.1 to `https` servers that could do HTTP/2.",
    ),
    (
        "serversTransport.forwardingTimeouts.dialTimeout",
        "30s",
        "Until a server takes the connection (TCP); TLS has 10 s on top of that. 0 means no limit.",
    ),
    (
        "serversTransport.forwardingTimeouts.earlyAnswerTimeout",
        "30s",
        "Longest wait until a server that has answered completely takes further bytes of the request; then its rest is given \
         up. 0 means as long as `writeTimeout` says.",
    ),
    (
        "serversTransport.forwardingTimeouts.idleConnTimeout",
        "1m30s",
        "How long an idle connection to a server is kept; 0 means no limit.",
    ),
    (
        "serversTransport.forwardingTimeouts.pingTimeout",
        "15s",
        "How long an HTTP/2 server may take to say that it is still there.",
    ),
    (
        "serversTransport.forwardingTimeouts.readIdleTimeout",
        "0s",
        "Silence after which an HTTP/2 server is asked that; 0 means never.",
    ),
    (
        "serversTransport.forwardingTimeouts.readTimeout",
        "1h",
        "Longest silence of a server in the middle of an answer; 0 means no limit.",
    ),
    (
        "serversTransport.forwardingTimeouts.responseHeaderTimeout",
        "0s",
        "From the end of the request to the head of the answer; 0 means no limit.",
    ),
    (
        "serversTransport.forwardingTimeouts.writeTimeout",
        "10m",
        "Longest wait until a server takes further bytes of a request; 0 means no limit.",
    ),
    (
        "serversTransport.insecureSkipVerify",
        "false",
        "Believe every server to be who it says.",
    ),
    (
        "serversTransport.maxIdleConnsPerHost",
        "200",
        "Idle connections kept for each server, for the whole process; negative keeps none.",
    ),
    (
        "serversTransport.maxVersion",
        "",
        "Highest version of TLS, `VersionTLS13` for one.",
    ),
    (
        "serversTransport.minVersion",
        "",
        "Lowest version of TLS, `VersionTLS12` for one.",
    ),
    (
        "serversTransport.peerCertSANs[0].type",
        "",
        "Kind of a name of which servers have to prove one: `DNSName` or `URI`.",
    ),
    ("serversTransport.peerCertSANs[0].value", "", "The name."),
    ("serversTransport.peerCertURI", "", "The same for one URI."),
    (
        "serversTransport.rootCAs",
        "",
        "Who is believed to vouch for servers: files, or PEM text. Absent: whom the system believes.",
    ),
    (
        "serversTransport.serverName",
        "",
        "The name that servers have to prove, and are asked for. Absent: the host of their URL.",
    ),
    (
        "snapshot.enabled",
        "true",
        "Keep a copy of all knowledge on disk, from which a cold start serves while no provider answers.",
    ),
    ("snapshot.interval", "5s", "Shortest time between two writes."),
    (
        "snapshot.path",
        "",
        "The file. Absent: `snapshot.json` in `$STATE_DIRECTORY`, `$XDG_STATE_HOME/mesh`, `~/.local/state/mesh` or `/var/lib/mesh`, whichever is writable.",
    ),
    ("workers", "", "Worker threads; absent means one for each core."),
    (
        "zone",
        "",
        "The zone this Mesh is in, for services that prefer servers of their own; empty means that of its ECS task, if it is in one.",
    ),
];
