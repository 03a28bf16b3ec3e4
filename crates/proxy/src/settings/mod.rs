//! Settings of the data plane: entrypoints and how they serve. Read once at start.
//!
//! Everything here is typed and has its default; nothing is checked again later. Options of other
//! versions that this one does not serve are refused by name instead of being ignored.

mod address;
mod entry_point;
mod forwarded;
mod http;
mod http2;
mod not_served;
mod proxy;
mod proxy_protocol;
mod transport;

pub use address::{Address, AddressError};
pub use entry_point::{EntryPoint, EntryPointObservability};
pub use forwarded::{ForwardedHeaders, TrustedRange};
pub use http::{
    EncodedCharacters, EntryPointRedirection, EntryPointTls, HttpSettings, Redirections, UnderscoreHeaders,
};
pub use http2::Http2Settings;
pub use not_served::NotServed;
pub use proxy::ProxySettings;
pub use proxy_protocol::ProxyProtocol;
pub use transport::{LifeCycle, RespondingTimeouts, Transport};
