//! Asks control planes over HTTP: what every provider with a JSON API needs and none should write twice.
//!
//! One [`Remote`] is one such API: where it is, whom it trusts, who asks. Answers are read whole and bounded, and
//! whatever goes wrong comes back as the [`ProviderError`](mesh_discovery::ProviderError) that says so. [`Index`],
//! [`Bucket`], [`Notices`] and [`Settle`] keep the place and the pace of blocking queries, which Consul and Nomad
//! share.

mod address;
mod ask;
mod bucket;
mod index;
mod notices;
mod remote;
mod reply;
mod settings;
mod settle;
mod target;

/// Looks a variable of the environment up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub use address::Address;
pub use ask::{Answer, ask};
pub use bucket::Bucket;
pub use index::{History, Index};
pub use notices::Notices;
pub use remote::{Remote, blocking_timeout};
pub use reply::{MAX_ANSWER_BYTES, Reply};
pub use settings::{HttpAuth, Scheme, TlsSettings};
pub use settle::Settle;
pub use target::{Target, TargetError, Token};
