//! What a provider is: a stream of reports, one scope at a time.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{self, BoxFuture},
    stream::BoxStream,
};
use mesh_config::{Fragment, ProviderName, instance::Instance};
use serde::{Deserialize, Serialize};

use crate::runtime::Registration;

/// A source of routing configuration.
///
/// A provider has two verbs: "this is the whole of the scope now" ([`Report::Replace`]) and "I could not tell"
/// ([`Report::Failed`]). Half of everything cannot be said. Dropping the stream stops the provider.
pub trait Provider: Send + Sync + 'static {
    /// Qualifies everything it reports: `web@consulcatalog`.
    fn name(&self) -> &ProviderName;

    /// Every scope once, then a scope again whenever it changed or failed. Does not end by itself.
    fn reports(&self) -> BoxStream<'_, Report>;

    /// The further provider called `name`, if it is one that this one can find: see [`Content::Members`]. Also asked
    /// for what a snapshot holds, so that a member lives on while its finder cannot see it.
    fn member(&self, _name: &ProviderName) -> Option<Registration> {
        None
    }

    /// True if all that it reports is the names of further providers. What an earlier run knew under its name is then of
    /// other settings, with which it was a provider itself: kept, it would never be confirmed, and would stand before what
    /// the further ones say of the same services.
    fn finds(&self) -> bool {
        false
    }

    /// Gives back what it holds outside of this process. Asked for once, when Mesh ends and its stream is dropped; it has
    /// a few seconds.
    fn end(&self) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }
}

/// A part of a provider's world that is read in one piece: a service, a file, a namespace, a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Wraps a name that users can read: `service web`, `routes.yml`, `catalog`.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message of a provider.
#[derive(Debug, Clone)]
pub enum Report {
    /// The whole of `scope`, read successfully just now. Empty content means that nothing is left; a provider
    /// says so only after it has read a first empty answer twice.
    Replace {
        /// What was read.
        scope: Scope,
        /// All of it.
        content: Content,
    },
    /// `scope` could not be read; what is known of it stays and grows older.
    Failed {
        /// What was to be read.
        scope: Scope,
        /// Why it could not.
        error: ProviderError,
    },
    /// How far the history is of the system that answers. Where it is shorter than an earlier run knew it, the system
    /// lost its state: what it lacks is kept for [`SETTLE`](crate::SETTLE). Within a run that is for the provider to notice.
    History {
        /// Grows with what changes in the system.
        index: u64,
    },
}

/// What a scope holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// Instances, from a discovery provider.
    Instances(Vec<Instance>),
    /// Configuration, from a document provider.
    Fragment(Arc<Fragment>),
    /// The complete list of the provider's other scopes: those missing here are gone, as if each had been
    /// replaced by nothing. A provider that has such a list is in sync once every listed scope has reported. It
    /// has one: a list of another name is of an earlier run with other settings, and gone too.
    Scopes(BTreeSet<Scope>),
    /// The names of further providers, such as one for each namespace. Those that are new are made by
    /// [`Provider::member`] and followed from now on. A name that is missing later ends none of them: what is gone
    /// they find out by themselves, and what is hidden is not gone.
    Members(BTreeSet<ProviderName>),
}

/// Why a scope could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Nobody answered: refused, reset, timed out, name not resolved.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// The transport's words.
        reason: String,
    },
    /// Somebody answered, and not with what was asked for.
    #[error("{endpoint} answered {status}: {reason}")]
    Refused {
        /// Who answered.
        endpoint: String,
        /// The status of the answer.
        status: u16,
        /// The beginning of its text, on one line.
        reason: String,
        /// How long it asked to be left alone (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The answer was cut, or is not what the API promises.
    #[error("{endpoint} gave an answer that cannot be used: {reason}")]
    Malformed {
        /// Who answered.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer is well-formed and hides what its reader may not see.
    #[error("{endpoint} hides what it should show: {reason}")]
    Unauthorized {
        /// Who answered.
        endpoint: String,
        /// Which right is missing and how to grant it.
        reason: String,
    },
    /// A file or directory could not be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The path.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// What only hurries the provider is missing: it tells everything all the same. A scope that fails so from the
    /// start holds up nothing.
    #[error("changes are seen by the next read, no sooner: {0}")]
    Unhurried(Box<Self>),
}

impl ProviderError {
    /// True when the other side asks for fewer calls: 429 and its kin.
    pub fn is_throttle(&self) -> bool {
        match self {
            Self::Refused {
                status, retry_after, ..
            } => *status == 429 || retry_after.is_some(),
            Self::Unhurried(error) => error.is_throttle(),
            Self::Unreachable { .. }
            | Self::Malformed { .. }
            | Self::Unauthorized { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    /// How long the other side asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Unhurried(error) => error.retry_after(),
            Self::Unreachable { .. }
            | Self::Malformed { .. }
            | Self::Unauthorized { .. }
            | Self::Unreadable { .. } => None,
        }
    }
}
