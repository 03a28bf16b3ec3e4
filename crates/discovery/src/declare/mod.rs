//! From the labels of instances to the objects of one service.
//!
//! Two pure steps: [`complete`] looks at one instance alone and fills in what its labels leave out,
//! [`combine`] lets all instances of one service agree.

mod combine;
mod complete;
mod definitions;
mod limits;
mod server;
mod settle;

pub(crate) use combine::{Member, combine, retained};
pub(crate) use complete::{Completed, complete};
pub(crate) use definitions::Definitions;
