//! What every provider is put through before it is trusted.

pub mod client;
pub mod faults;
pub mod matrix;

pub use faults::{Dialect, Fault, FaultProxy};
