//! What each option does, in one line, for `--help` and the reference.

mod entry_points;

/// Path, default as written (empty: absent), and what it does. Tests hold the list complete and the defaults true.
pub(crate) type Description = (&'static str, &'static str, &'static str);

/// All of them, in the order of their paths.
pub(crate) fn descriptions() -> impl Iterator<Item = &'static Description> {
    [BEFORE, entry_points::DESCRIPTIONS, AFTER].into_iter().flatten()
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

/// Those behind `entryPoints`.
const AFTER: &[Description] = &[
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
    (
        "providers.consulCatalog.allow.entryPoints",
        "",
        "Entrypoints that tags may name; absent means all.",
    ),
    (
        "providers.consulCatalog.allow.hosts",
        "",
        "Hosts that tags may claim, with all below them; absent means all.",
    ),
    (
        "providers.consulCatalog.allow.maxPriority",
        "",
        "Highest priority that tags may claim.",
    ),
    (
        "providers.consulCatalog.cache",
        "false",
        "Let the agent answer from its cache.",
    ),
    (
        "providers.consulCatalog.constraints",
        "",
        "Only instances whose tags match: ``Tag(`public`)``.",
    ),
    (
        "providers.consulCatalog.defaultRule",
        "Host(`{{ normalize .Name }}`)",
        "The rule of a service that declares none.",
    ),
    (
        "providers.consulCatalog.endpoint.address",
        "",
        "`host:port` or `unix:///path`. Absent: `CONSUL_HTTP_ADDR`, else `127.0.0.1:8500`.",
    ),
    (
        "providers.consulCatalog.endpoint.datacenter",
        "",
        "The datacenter; absent means the agent's.",
    ),
    (
        "providers.consulCatalog.endpoint.endpointWaitTime",
        "",
        "How long one blocking query may hang, 1s to 10m; changes arrive at once all the same.",
    ),
    (
        "providers.consulCatalog.endpoint.httpAuth.password",
        "",
        "Password for a proxy in front of Consul. Secret.",
    ),
    (
        "providers.consulCatalog.endpoint.httpAuth.username",
        "",
        "User name for a proxy in front of Consul. Absent: `CONSUL_HTTP_AUTH`.",
    ),
    (
        "providers.consulCatalog.endpoint.scheme",
        "",
        "Absent: as `CONSUL_HTTP_ADDR` and `CONSUL_HTTP_SSL` say, else http.",
    ),
    (
        "providers.consulCatalog.endpoint.tls.ca",
        "",
        "File of the authorities that signed Consul's certificate; absent: `CONSUL_CACERT`, else the system's.",
    ),
    (
        "providers.consulCatalog.endpoint.tls.cert",
        "",
        "File of the client certificate. Absent: `CONSUL_CLIENT_CERT`.",
    ),
    (
        "providers.consulCatalog.endpoint.tls.insecureSkipVerify",
        "false",
        "Take any certificate. For tests: whoever sits in between reads the token.",
    ),
    (
        "providers.consulCatalog.endpoint.tls.key",
        "",
        "File of the client certificate's key. Absent: `CONSUL_CLIENT_KEY`.",
    ),
    (
        "providers.consulCatalog.endpoint.tls.serverName",
        "",
        "The name in Consul's certificate, where that is not the name in its address. Absent: `CONSUL_TLS_SERVER_NAME`.",
    ),
    (
        "providers.consulCatalog.endpoint.token",
        "",
        "ACL token that reads services and nodes. Absent: `CONSUL_HTTP_TOKEN` or `CONSUL_HTTP_TOKEN_FILE`. Secret.",
    ),
    (
        "providers.consulCatalog.exposedByDefault",
        "true",
        "Expose services whose tags do not say `mesh.enable`.",
    ),
    (
        "providers.consulCatalog.instances.<name>",
        "",
        "Several Consuls: each has all options of this block and inherits what it does not say. Objects are `x@consulcatalog-<name>`.",
    ),
    (
        "providers.consulCatalog.labelPrefixes",
        "mesh",
        "First parts of the tags of ours; for one key the first listed wins.",
    ),
    (
        "providers.consulCatalog.maxWatches",
        "150",
        "Most services that are followed by a blocking query each; beyond, two queries notice changes for all.",
    ),
    (
        "providers.consulCatalog.namespaces",
        "",
        "Consul Enterprise namespaces; each is a provider `consulcatalog-<namespace>`.",
    ),
    (
        "providers.consulCatalog.partition",
        "",
        "Consul Enterprise admin partition; absent means the agent's.",
    ),
    (
        "providers.consulCatalog.prefix",
        "",
        "One label prefix; takes the place of `labelPrefixes`.",
    ),
    (
        "providers.consulCatalog.references",
        "",
        "Providers whose objects tags may refer to, beside their own and `file`.",
    ),
    (
        "providers.consulCatalog.refreshInterval",
        "15s",
        "How often everything is read when `watch` is off.",
    ),
    (
        "providers.consulCatalog.requireConsistent",
        "false",
        "Let the leader confirm its leadership for every answer.",
    ),
    (
        "providers.consulCatalog.required",
        "true",
        "`/ready` waits for this provider.",
    ),
    (
        "providers.consulCatalog.serviceName",
        "mesh",
        "The name under which Mesh itself is registered.",
    ),
    (
        "providers.consulCatalog.stale",
        "false",
        "Let any server answer, leader or not.",
    ),
    (
        "providers.consulCatalog.strictChecks",
        "passing,warning",
        "States of an instance that get requests: passing, warning, critical, maintenance, any.",
    ),
    (
        "providers.consulCatalog.watch",
        "true",
        "Learn of changes at once, by blocking queries.",
    ),
    (
        "providers.file.directory",
        "",
        "Every `.yml`, `.yaml` and `.toml` below this directory. Instead of `filename`.",
    ),
    (
        "providers.file.filename",
        "",
        "One file; may be the static file itself, which then holds `http` as well.",
    ),
    (
        "providers.file.pollInterval",
        "2s",
        "How often everything is read although no change was announced.",
    ),
    (
        "providers.file.required",
        "true",
        "`/ready` waits for this provider.",
    ),
    (
        "providers.file.watch",
        "true",
        "Take changes up while running. Off: only SIGHUP reads again.",
    ),
    (
        "providers.nomad.allow.entryPoints",
        "",
        "Entrypoints that tags may name; absent means all.",
    ),
    (
        "providers.nomad.allow.hosts",
        "",
        "Hosts that tags may claim, with all below them; absent means all.",
    ),
    (
        "providers.nomad.allow.maxPriority",
        "",
        "Highest priority that tags may claim.",
    ),
    (
        "providers.nomad.constraints",
        "",
        "Only instances whose tags match: ``Tag(`public`)``.",
    ),
    (
        "providers.nomad.defaultRule",
        "Host(`{{ normalize .Name }}`)",
        "The rule of a service that declares none.",
    ),
    (
        "providers.nomad.endpoint.address",
        "",
        "`http://host:port`, `https://host:port` or `unix:///path`. Absent: `NOMAD_ADDR`, else a task's own socket, else `http://127.0.0.1:4646`.",
    ),
    (
        "providers.nomad.endpoint.endpointWaitTime",
        "",
        "How long one blocking query may hang, 1s to 5m; changes arrive at once all the same.",
    ),
    (
        "providers.nomad.endpoint.region",
        "",
        "The region. Absent: `NOMAD_REGION`, else the agent's.",
    ),
    (
        "providers.nomad.endpoint.tls.ca",
        "",
        "File of the authorities that signed Nomad's certificate; absent: `NOMAD_CACERT`, else the system's.",
    ),
    (
        "providers.nomad.endpoint.tls.cert",
        "",
        "File of the client certificate. Absent: `NOMAD_CLIENT_CERT`.",
    ),
    (
        "providers.nomad.endpoint.tls.insecureSkipVerify",
        "false",
        "Take any certificate. For tests: whoever sits in between reads the token.",
    ),
    (
        "providers.nomad.endpoint.tls.key",
        "",
        "File of the client certificate's key. Absent: `NOMAD_CLIENT_KEY`.",
    ),
    (
        "providers.nomad.endpoint.tls.serverName",
        "",
        "The name in Nomad's certificate, as `client.global.nomad`. Absent: `NOMAD_TLS_SERVER_NAME`, else the name in its address.",
    ),
    (
        "providers.nomad.endpoint.token",
        "",
        "ACL token with `read-job`. Absent: `NOMAD_TOKEN`, else a task's own token. Secret.",
    ),
    (
        "providers.nomad.exposedByDefault",
        "true",
        "Expose services whose tags do not say `mesh.enable`.",
    ),
    (
        "providers.nomad.instances.<name>",
        "",
        "Several Nomads: each has all options of this block and inherits what it does not say. Objects are `x@nomad-<name>`.",
    ),
    (
        "providers.nomad.labelPrefixes",
        "mesh",
        "First parts of the tags of ours; for one key the first listed wins.",
    ),
    (
        "providers.nomad.maxWatches",
        "60",
        "Most blocking queries at a time, up to 90; services beyond are read when the list of services changes.",
    ),
    (
        "providers.nomad.namespaces",
        "",
        "Namespaces to read; `*` means all. With several, or `*`, each is a provider `nomad-<namespace>`. Absent: `NOMAD_NAMESPACE`, else `default`.",
    ),
    (
        "providers.nomad.prefix",
        "",
        "One label prefix; takes the place of `labelPrefixes`.",
    ),
    (
        "providers.nomad.references",
        "",
        "Providers whose objects tags may refer to, beside their own and `file`.",
    ),
    (
        "providers.nomad.refreshInterval",
        "15s",
        "How often everything is read when `watch` is off.",
    ),
    (
        "providers.nomad.required",
        "true",
        "`/ready` waits for this provider.",
    ),
    (
        "providers.nomad.stale",
        "false",
        "Let any server answer, leader or not.",
    ),
    (
        "providers.nomad.throttleDuration",
        "0s",
        "Shortest time between two answers of one blocking query.",
    ),
    (
        "providers.nomad.watch",
        "true",
        "Learn of changes at once, by blocking queries.",
    ),
    (
        "providers.precedence",
        "",
        "Which provider wins between routers of equal priority, strongest first; absent means the built-in order.",
    ),
    (
        "providers.providersThrottleDuration",
        "2s",
        "Longest time that a change waits in a storm of changes; an isolated one is published at once.",
    ),
    (
        "serversTransport.forwardingTimeouts.dialTimeout",
        "30s",
        "Until a connection to a server stands; 0 means no limit.",
    ),
    (
        "serversTransport.forwardingTimeouts.idleConnTimeout",
        "1m30s",
        "How long an idle connection to a server is kept; 0 means no limit.",
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
        "serversTransport.maxIdleConnsPerHost",
        "200",
        "Idle connections kept for each server, for the whole process; negative keeps none.",
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
];
