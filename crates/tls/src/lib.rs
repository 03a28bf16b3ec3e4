//! TLS with clients (which certificate they are shown, and where it comes from) and with servers.
//!
//! The [`Keeper`] makes [`Certificates`] of configurations and files; handshakes look names up in them. A set is
//! swapped as a whole: a handshake sees the one before or the one after.

mod certificates;
mod client;
mod client_keeper;
mod facts;
mod generated;
mod keeper;
mod pair;
mod server;
mod shown;

pub use certificates::Certificates;
pub use client::ClientTls;
pub use client_keeper::{ClientKeeper, Renewal};
pub use facts::Facts;
pub use keeper::{Keeper, Trouble};
pub use pair::{PairError, Stamp};
pub use server::{Tls, TlsError};
pub use shown::Shown;
