//! TLS with clients (which certificate they are shown, where it comes from, what is asked of them) and with servers.
//!
//! The [`Keeper`] makes [`Certificates`] of configurations and files; handshakes look names up in them. A set is
//! swapped as a whole: a handshake sees the one before or the one after.

mod certificates;
mod client;
mod client_auth;
mod client_keeper;
mod facts;
mod generated;
mod guard;
mod keeper;
mod kept;
mod options;
mod pair;
mod server;
mod shown;
mod spoken;

pub use certificates::Certificates;
pub use client::ClientTls;
pub use client_keeper::ClientKeeper;
pub use facts::Facts;
pub use guard::OptionsGuard;
pub use keeper::{Keeper, Trouble};
pub use kept::Renewal;
pub use options::{OptionsKeeper, ServerOptions};
pub use pair::{PairError, Stamp};
pub use server::{Tls, TlsError};
pub use shown::Shown;
