//! The vocabulary of Mesh.
//!
//! Dynamic configuration types, qualified names, the rule grammar, label and tag decoding, and validation
//! that always knows where a value came from. Everything here is pure: no I/O, no async, no clock.

pub mod configuration;
pub mod constraint;
pub mod courtesy;
pub mod document;
pub mod duration;
pub mod fragment;
pub mod instance;
pub mod labels;
pub mod layer;
pub mod model;
pub mod name;
pub mod origin;
pub mod outline;
pub mod redact;
pub mod rule;
pub mod secret;
pub mod tag_rule;
pub mod template;
pub mod whole;

pub use configuration::{Configuration, Entry};
pub use fragment::{Fragment, Kind, SetAside};
pub use name::{ProviderName, QualifiedName, Reference};
pub use origin::{Origin, Problem};
pub use outline::Outline;
pub use secret::Secret;
