//! What every provider is put through before it is trusted.

pub mod faults;

pub use faults::{Fault, FaultProxy};
