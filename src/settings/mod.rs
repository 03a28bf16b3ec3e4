//! Static settings: what is fixed when Mesh starts.
//!
//! Sources layer over each other, weakest first: defaults, one file, the environment, the command line.

mod descriptions;
mod environment;
mod flags;
mod load;
mod plan;
mod reference;
mod schema;
mod search;
mod tree;

use mesh_config::Origin;

pub(crate) use flags::{Flags, OwnFlags, split};
pub(crate) use load::{Loaded, Sources, load};
pub(crate) use plan::{OWN_ENTRY_POINT, Plan};
pub(crate) use reference::{description, reference};
pub(crate) use schema::Node;
pub(crate) use tree::Settings;

/// One option as text: its dotted path, its value, and where it was written.
pub(crate) type Pair = (String, String, Origin);

/// The candidate that `word` is most likely a misspelling of.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::osa_distance(&word, &candidate.to_ascii_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(word.len()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}
