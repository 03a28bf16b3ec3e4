//! What each option of a provider does.

use super::Description;

pub(super) const DESCRIPTIONS: &[Description] = &[
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
        "120",
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
        "providers.ecs.accessKeyID",
        "",
        "Access key, with `secretAccessKey`. Absent: as AWS's own tools find one, a task's role included. Secret.",
    ),
    (
        "providers.ecs.allow.entryPoints",
        "",
        "Entrypoints that tags may name.",
    ),
    ("providers.ecs.allow.hosts", "", "Hosts that tags may claim."),
    (
        "providers.ecs.allow.maxPriority",
        "",
        "Highest priority that tags may ask for.",
    ),
    (
        "providers.ecs.autoDiscoverClusters",
        "false",
        "Read every cluster of the region; `clusters` does not count then.",
    ),
    (
        "providers.ecs.clusters",
        "default",
        "The clusters, by name or ARN. With more than one, services are named `<cluster>/<service>`.",
    ),
    (
        "providers.ecs.constraints",
        "",
        "Which tasks to take, by their tags and labels.",
    ),
    (
        "providers.ecs.defaultRule",
        "Host(`{{ normalize .Name }}`)",
        "The rule of a service that declares none.",
    ),
    (
        "providers.ecs.ecsAnywhere",
        "false",
        "Find the addresses of ECS Anywhere machines (`mi-…`), through SSM.",
    ),
    (
        "providers.ecs.endpoint",
        "",
        "URL where ECS, EC2, SSM, STS, SQS and SNS answer. Absent: `AWS_ENDPOINT_URL_ECS` and the like, `AWS_ENDPOINT_URL`, else AWS.",
    ),
    (
        "providers.ecs.events.expiry",
        "30m",
        "Queues of others without a sign of life for this time are removed. 10s or more.",
    ),
    (
        "providers.ecs.events.maxMessages",
        "10",
        "Most events in one answer of the queue, 1 to 10.",
    ),
    (
        "providers.ecs.events.queuePrefix",
        "mesh-events-",
        "First part of the name of the queue that each process makes for itself.",
    ),
    (
        "providers.ecs.events.retention",
        "1m",
        "How long events wait in the queue to be heard. 1m or more.",
    ),
    (
        "providers.ecs.events.topic",
        "",
        "ARN of the SNS topic to which EventBridge sends events of ECS, so that changes count before the next read. Absent or empty: none are heard.",
    ),
    (
        "providers.ecs.events.waitTime",
        "20s",
        "How long one question for events waits for them, 1s to 20s. Longer is cheaper, not slower.",
    ),
    (
        "providers.ecs.exposedByDefault",
        "true",
        "Expose tasks whose tags and labels do not say `mesh.enable`.",
    ),
    (
        "providers.ecs.externalId",
        "",
        "What the trust policy of `roleArn` asks for.",
    ),
    (
        "providers.ecs.healthyTasksOnly",
        "false",
        "Send requests only to containers that pass a health check, and so to none without one.",
    ),
    (
        "providers.ecs.instances.<name>",
        "",
        "Several regions, accounts or roles: each has all options of this block and inherits what it does not say. Objects are `x@ecs-<name>`.",
    ),
    (
        "providers.ecs.labelPrefixes",
        "mesh",
        "First parts of the tags of ours; for one key the first listed wins.",
    ),
    (
        "providers.ecs.prefix",
        "",
        "One label prefix; takes the place of `labelPrefixes`.",
    ),
    (
        "providers.ecs.references",
        "",
        "Providers whose objects tags may name, beside their own and `file`.",
    ),
    (
        "providers.ecs.refreshSeconds",
        "15s",
        "How often everything is read; a plain number is seconds. Twice as long above 1,000 tasks, longer while AWS throttles.",
    ),
    (
        "providers.ecs.region",
        "",
        "The region. Absent: `AWS_REGION`, the shared configuration, else the instance's.",
    ),
    (
        "providers.ecs.required",
        "true",
        "`/ready` waits for this provider.",
    ),
    (
        "providers.ecs.roleArn",
        "",
        "Role to assume, in another account for example.",
    ),
    (
        "providers.ecs.roleSessionName",
        "mesh",
        "What CloudTrail calls the session of `roleArn`.",
    ),
    (
        "providers.ecs.secretAccessKey",
        "",
        "The secret of `accessKeyID`. Secret.",
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
];
