//! What each option of an entrypoint does.

use super::Description;

pub(super) const DESCRIPTIONS: &[Description] = &[
    (
        "entryPoints.<name>.address",
        "",
        "Where it listens: `:80`, `127.0.0.1:8080`, `[::1]:80`. Required.",
    ),
    (
        "entryPoints.<name>.asDefault",
        "false",
        "Routers that name no entrypoint listen here; if no entrypoint says so, on all but `mesh`.",
    ),
    (
        "entryPoints.<name>.forwardedHeaders.addXForwardedSchemeHeaders",
        "false",
        "Send `X-Forwarded-Scheme` and `X-Scheme`, too.",
    ),
    (
        "entryPoints.<name>.forwardedHeaders.connection",
        "",
        "Headers that a client may name in `Connection` and that reach middlewares all the same.",
    ),
    (
        "entryPoints.<name>.forwardedHeaders.insecure",
        "false",
        "Believe `X-Forwarded-*` of everybody.",
    ),
    (
        "entryPoints.<name>.forwardedHeaders.notAppendXForwardedFor",
        "false",
        "Do not add the peer to `X-Forwarded-For`.",
    ),
    (
        "entryPoints.<name>.forwardedHeaders.trustedIPs",
        "",
        "Addresses and ranges whose `X-Forwarded-*` are believed.",
    ),
    (
        "entryPoints.<name>.http.encodeQuerySemicolons",
        "false",
        "Send `;` in a query as `%3B`.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedBackSlash",
        "true",
        "Let `%5C` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedHash",
        "true",
        "Let `%23` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedNullCharacter",
        "false",
        "Let `%00` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedPercent",
        "true",
        "Let `%25` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedQuestionMark",
        "true",
        "Let `%3F` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedSemicolon",
        "true",
        "Let `%3B` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.encodedCharacters.allowEncodedSlash",
        "true",
        "Let `%2F` in a path pass; otherwise 400.",
    ),
    (
        "entryPoints.<name>.http.maxHeaderBytes",
        "1048576",
        "Largest head of a request; more is answered with 431.",
    ),
    (
        "entryPoints.<name>.http.maxInFlightRequests",
        "100000",
        "Most requests at a time; more are answered with 503. Workers share it evenly. 0: no limit.",
    ),
    (
        "entryPoints.<name>.http.middlewares",
        "",
        "Run before the middlewares of every router here; written with provider: `auth@file`.",
    ),
    (
        "entryPoints.<name>.http.reasonHeader",
        "false",
        "Say in `X-Mesh-Reason` why Mesh itself answers with an error.",
    ),
    (
        "entryPoints.<name>.http.redirections.entryPoint.permanent",
        "true",
        "301 and 308 instead of 302 and 307.",
    ),
    (
        "entryPoints.<name>.http.redirections.entryPoint.priority",
        "9223372036854775806",
        "Priority of the redirecting router; the default beats all others.",
    ),
    (
        "entryPoints.<name>.http.redirections.entryPoint.scheme",
        "https",
        "The scheme to go to.",
    ),
    (
        "entryPoints.<name>.http.redirections.entryPoint.to",
        "",
        "The entrypoint to send every request to, or a port: `:443`. Required in this block.",
    ),
    (
        "entryPoints.<name>.http.sanitizePath",
        "true",
        "Resolve `..`, `.` and `//` before routing.",
    ),
    (
        "entryPoints.<name>.http.tls.options",
        "",
        "Options of the TLS that every router here gets that has no `tls` of its own: `mtls@file`. Absent: `default`.",
    ),
    (
        "entryPoints.<name>.http.underscoreHeadersStrategy",
        "keep",
        "What happens to request headers with `_` in their name; `reject` answers 400.",
    ),
    (
        "entryPoints.<name>.http2.maxConcurrentStreams",
        "250",
        "Most open requests of one HTTP/2 connection.",
    ),
    (
        "entryPoints.<name>.http2.maxDecoderHeaderTableSize",
        "4096",
        "Bytes of the header table of an HTTP/2 client.",
    ),
    (
        "entryPoints.<name>.http2.maxHeaderListSize",
        "65536",
        "Largest head of an HTTP/2 request, in bytes.",
    ),
    (
        "entryPoints.<name>.maxConnections",
        "20000",
        "Most client connections at a time; further ones wait.",
    ),
    (
        "entryPoints.<name>.observability.accessLogs",
        "true",
        "Its requests are logged, unless a router says otherwise.",
    ),
    (
        "entryPoints.<name>.observability.metrics",
        "true",
        "Its requests are counted, unless a router says otherwise.",
    ),
    (
        "entryPoints.<name>.proxyProtocol.headerTimeout",
        "3s",
        "How long a peer may take for its PROXY header; 0 means no limit.",
    ),
    (
        "entryPoints.<name>.proxyProtocol.insecure",
        "false",
        "Take a PROXY header from everybody who sends one.",
    ),
    (
        "entryPoints.<name>.proxyProtocol.trustedIPs",
        "",
        "Demand a PROXY header of these peers: addresses or ranges.",
    ),
    (
        "entryPoints.<name>.reusePort",
        "false",
        "Share the address with other processes.",
    ),
    (
        "entryPoints.<name>.transport.keepAliveMaxRequests",
        "0",
        "A connection is closed after so many requests; 0 means never.",
    ),
    (
        "entryPoints.<name>.transport.keepAliveMaxTime",
        "0s",
        "A connection older than this is closed after its next answer; 0 means never.",
    ),
    (
        "entryPoints.<name>.transport.lifeCycle.graceTimeOut",
        "10s",
        "At the end: how long requests in flight may take before they are cut.",
    ),
    (
        "entryPoints.<name>.transport.lifeCycle.requestAcceptGraceTimeout",
        "0s",
        "At the end: how long connections are still accepted while `/ready` fails already.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.bodyGraceTime",
        "30s",
        "How long a client may be waited for in its request's body beside what minBodyRate allows; 0 means no rate.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.halfClosedTimeout",
        "30s",
        "How long a client over HTTP/1.1 that ended its side is taken to wait for its answer; 0 means no limit.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.idleTimeout",
        "3m",
        "How long a connection may wait for its next request; 0 means for ever.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.minBodyRate",
        "100",
        "Bytes of its request's body that a client has to send for each second it is waited for; 0 means no rate.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.readHeaderTimeout",
        "10s",
        "Longest time from the first byte of a request to the end of its head; 0 means no limit.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.readTimeout",
        "1m",
        "Longest wait for the next bytes of a request's body; 0 means no limit.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.tlsHandshakeTimeout",
        "10s",
        "From the first byte of a TLS handshake to its end.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.tunnelIdleTimeout",
        "1h",
        "How long a WebSocket may be silent both ways; 0 means for ever.",
    ),
    (
        "entryPoints.<name>.transport.respondingTimeouts.writeTimeout",
        "10m",
        "Longest wait until a client takes further bytes of an answer; 0 means no limit.",
    ),
];
