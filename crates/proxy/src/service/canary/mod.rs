//! A new version of a service beside the one before: how much it gets, and when it gets no more.

mod split;
mod trial;

#[cfg(test)]
mod tests;

pub(super) use split::{Canaries, Split};
pub(super) use trial::Stopped;
pub(crate) use trial::Trial;
