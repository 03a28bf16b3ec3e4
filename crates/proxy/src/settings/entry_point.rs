//! One entrypoint.

use serde::{Deserialize, Serialize};

use super::{Address, ForwardedHeaders, Http2Settings, HttpSettings, NotServed, ProxyProtocol, Transport};

/// A named listener, and how it treats what it accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EntryPoint {
    /// Where it listens: `[host]:port[/tcp]`. Without a host: every interface.
    pub address: Address,
    /// Serves the routers that name no entrypoint. When no entrypoint says so, all of them do.
    #[serde(default)]
    pub as_default: bool,
    /// Lets another process listen on the same address at the same time.
    #[serde(default)]
    pub reuse_port: bool,
    /// Open client connections at most, for the whole process. Further ones wait in the system's queue.
    #[serde(
        default = "default_max_connections",
        deserialize_with = "mesh_config::whole::within::<_, _, 1, 10_000_000>"
    )]
    pub max_connections: u32,
    /// Time limits of connections and of the end.
    #[serde(default)]
    pub transport: Transport,
    /// Whose word about the client is believed.
    #[serde(default)]
    pub forwarded_headers: ForwardedHeaders,
    /// HTTP on this entrypoint.
    #[serde(default)]
    pub http: HttpSettings,
    /// Which signals its requests produce, unless a router says otherwise.
    #[serde(default)]
    pub observability: EntryPointObservability,
    /// Who may say in front of a connection whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// HTTP/2 on this entrypoint.
    #[serde(default)]
    pub http2: Http2Settings,
    /// Not served yet.
    #[serde(default, skip_serializing)]
    pub http3: Option<NotServed>,
    /// Not served yet.
    #[serde(default, skip_serializing)]
    pub udp: Option<NotServed>,
    /// Not served yet.
    #[serde(default, skip_serializing, rename = "allowACMEByPass")]
    pub allow_acme_by_pass: Option<NotServed>,
}

impl EntryPoint {
    /// An entrypoint on `address` with every default.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            as_default: false,
            reuse_port: false,
            max_connections: default_max_connections(),
            transport: Transport::default(),
            forwarded_headers: ForwardedHeaders::default(),
            http: HttpSettings::default(),
            observability: EntryPointObservability::default(),
            proxy_protocol: None,
            http2: Http2Settings::default(),
            http3: None,
            udp: None,
            allow_acme_by_pass: None,
        }
    }
}

fn default_max_connections() -> u32 {
    20_000
}

/// Signals of the requests of one entrypoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EntryPointObservability {
    /// Access log lines.
    pub access_logs: bool,
    /// Metrics.
    pub metrics: bool,
    /// Not served yet.
    #[serde(skip_serializing)]
    pub tracing: Option<NotServed>,
    /// Not served yet.
    #[serde(skip_serializing)]
    pub trace_verbosity: Option<NotServed>,
}

impl Default for EntryPointObservability {
    fn default() -> Self {
        Self {
            access_logs: true,
            metrics: true,
            tracing: None,
            trace_verbosity: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<EntryPoint, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_alone_is_an_entrypoint_with_every_default() {
        let read = read(json!({"address": ":80"})).unwrap();
        assert_eq!(read, EntryPoint::new(":80".parse().unwrap()));
        assert_eq!(read.transport.responding_timeouts.read_timeout.as_secs(), 60);
        assert!(read.http.sanitize_path);
    }

    #[test]
    fn an_option_that_is_not_served_is_refused_and_says_so() {
        for option in ["http3", "udp", "allowACMEByPass"] {
            let error = read(json!({"address": ":80", option: {}})).unwrap_err();
            assert!(error.contains("does not serve"), "{option}: {error}");
        }
        let error = read(json!({"address": ":80", "http": {"tls": {"certResolver": "le"}}})).unwrap_err();
        assert!(error.contains("does not serve"), "{error}");
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(read(json!({"address": ":80", "adress": 1})).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let entry_point = EntryPoint::new("[::1]:8080".parse().unwrap());
        assert_eq!(
            read(serde_json::to_value(&entry_point).unwrap()).unwrap(),
            entry_point
        );
    }
}
