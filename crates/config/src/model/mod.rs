//! The objects of the dynamic configuration, typed and validated.
//!
//! A value of these types needs no further checks: rules are parsed, durations and URLs are typed. Only
//! references between objects are still names; the compiler in `mesh-proxy` resolves them.

mod balancing;
mod canary;
mod certificate;
mod composite;
mod health_check;
mod idle_options;
mod middleware;
mod retry;
mod router;
mod server_url;
mod service;
mod status_ranges;
mod sticky;
mod tls_options;
mod transport;
mod upgrades;

pub use balancing::{Hash, HashKey, Strategy, ZonePreference};
pub use canary::{Canary, CanaryStop};
pub use certificate::{Certificate, CertificatePair, Pem};
pub use composite::{
    Failover, FailoverErrors, HealthReport, HighestRandomWeight, Mirror, Mirroring, Weighted, WeightedService,
};
pub use health_check::{HealthCheck, HealthCheckMode, PassiveHealthCheck};
pub use middleware::*;
pub use retry::{Retry, Timeouts};
pub use router::{Observability, Router, RouterTls, TlsDomain};
pub use server_url::{ServerUrl, ServerUrlError, Written};
pub(crate) use service::only_kind;
pub use service::{LoadBalancer, ResponseForwarding, Scheme, Server, Service, ServiceKind};
pub use status_ranges::{StatusRanges, StatusRangesError};
pub use sticky::{SameSite, Sticky, StickyCookie};
pub use tls_options::{ClientAuth, ClientAuthType, TlsOptions};
pub use transport::{ForwardingTimeouts, PeerCertSan, SanType, ServersTransport, TlsVersion};
pub use upgrades::{Upgrades, UpgradesError};

/// True for values that the API and snapshots leave out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
