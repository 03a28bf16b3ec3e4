//! Names that tell series apart.

use std::{
    fmt::{self, Display},
    hash::BuildHasher,
    ops::Deref,
    sync::Arc,
};

use foldhash::fast::FixedState;

/// A name of an entrypoint, a router or a service as metrics write it, with its hash: whoever counts a request need
/// not read the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    text: Arc<str>,
    hash: u64,
}

impl Label {
    /// The hash of the same text is the same.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Equal names; mostly they are the very same allocation.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl<T: Into<Arc<str>>> From<T> for Label {
    fn from(text: T) -> Self {
        let text = text.into();
        Self {
            hash: FixedState::with_seed(0).hash_one(&text),
            text,
        }
    }
}

impl Deref for Label {
    type Target = Arc<str>;

    fn deref(&self) -> &Arc<str> {
        &self.text
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
