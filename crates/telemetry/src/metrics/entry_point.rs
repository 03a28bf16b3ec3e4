//! What an entrypoint counts beside finished requests: its connections, and the requests that it refused.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

/// Why a request was answered by Mesh without having been offered to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many requests are in flight as the entrypoint allows.
    Overload,
    /// No router matches.
    NoRoute,
    /// Its connection was made by other TLS options than its router has.
    Misdirected,
    /// Its router is broken.
    Unavailable,
    /// Its service has no server that takes requests.
    NoServer,
    /// It has some that would, were they not ejected.
    Ejected,
    /// A method that is not served.
    Method,
    /// Framing that can be read in two ways.
    Framing,
    /// No host, several, or no valid one.
    Host,
    /// A target of another form than the method has.
    Target,
    /// A path with a broken or forbidden escape, or one that would lead to another router.
    Path,
    /// A header that cannot be passed on.
    Header,
    /// No request of HTTP/1.1.
    Malformed,
    /// A head larger than is read.
    Large,
    /// A head that did not come in time.
    Late,
}

impl Refusal {
    /// Every one, in the order of their declaration.
    pub(super) const ALL: [Self; 15] = [
        Self::Overload,
        Self::NoRoute,
        Self::Misdirected,
        Self::Unavailable,
        Self::NoServer,
        Self::Ejected,
        Self::Method,
        Self::Framing,
        Self::Host,
        Self::Target,
        Self::Path,
        Self::Header,
        Self::Malformed,
        Self::Large,
        Self::Late,
    ];

    /// As it appears in the label `reason`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::NoRoute => "no-route",
            Self::Misdirected => "misdirected",
            Self::Unavailable => "unavailable",
            Self::NoServer => "no-server",
            Self::Ejected => "ejected",
            Self::Method => "method",
            Self::Framing => "framing",
            Self::Host => "host",
            Self::Target => "target",
            Self::Path => "path",
            Self::Header => "header",
            Self::Malformed => "malformed",
            Self::Large => "large",
            Self::Late => "late",
        }
    }
}

/// Why a request that was offered to servers was answered by Mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection to a server.
    Connect,
    /// None in time.
    ConnectTimeout,
    /// The connection ended before an answer began.
    Closed,
    /// Something that is no answer to the request.
    InvalidAnswer,
    /// No head of an answer in time.
    AnswerTimeout,
    /// No answer within the time of one try.
    TryTimeout,
    /// No answer within the time of the whole request.
    RequestTimeout,
    /// The server took no further bytes of the request.
    Stalled,
    /// It would have been sent again, were the budget for that not used up.
    RetryBudget,
    /// The service allows no such upgrade, or the answer opens none.
    NoUpgrade,
    /// A body longer than its service keeps.
    BodyTooLong,
    /// The client did not finish its request.
    Upload,
}

impl Fault {
    /// Every one, in the order of their declaration.
    pub(super) const ALL: [Self; 12] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::Closed,
        Self::InvalidAnswer,
        Self::AnswerTimeout,
        Self::TryTimeout,
        Self::RequestTimeout,
        Self::Stalled,
        Self::RetryBudget,
        Self::NoUpgrade,
        Self::BodyTooLong,
        Self::Upload,
    ];

    /// As it appears in the label `reason`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect-timeout",
            Self::Closed => "closed",
            Self::InvalidAnswer => "invalid-answer",
            Self::AnswerTimeout => "answer-timeout",
            Self::TryTimeout => "try-timeout",
            Self::RequestTimeout => "request-timeout",
            Self::Stalled => "stalled",
            Self::RetryBudget => "retry-budget",
            Self::NoUpgrade => "no-upgrade",
            Self::BodyTooLong => "body-too-long",
            Self::Upload => "upload",
        }
    }
}

/// The numbers of one entrypoint on one worker.
#[derive(Debug, Clone, Default)]
pub struct EntryPointCounts(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    open: AtomicI64,
    waited: AtomicU64,
    /// By the place of the reason in [`Refusal::ALL`].
    refused: [AtomicU64; Refusal::ALL.len()],
    /// By the place of the reason in [`Fault::ALL`].
    failed: [AtomicU64; Fault::ALL.len()],
}

impl EntryPointCounts {
    /// Counts a connection for as long as the answer lives.
    pub fn open(&self) -> OpenConnection {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.0.clone())
    }

    /// Counts a connection that had to wait until another one ended.
    pub fn waited(&self) {
        self.0.waited.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that was refused.
    pub fn refused(&self, reason: Refusal) {
        if let Some(count) = self.0.refused.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that no server answered.
    pub fn failed(&self, reason: Fault) {
        if let Some(count) = self.0.failed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What there is now.
    pub(super) fn sample(&self) -> EntryPointSample {
        EntryPointSample {
            open: self.0.open.load(Ordering::Relaxed),
            waited: self.0.waited.load(Ordering::Relaxed),
            refused: self
                .0
                .refused
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
            failed: self
                .0
                .failed
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

/// One open connection; dropping it takes it out of the count.
#[derive(Debug)]
pub struct OpenConnection(Arc<Numbers>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The numbers of one entrypoint at one moment.
#[derive(Debug, Default)]
pub(super) struct EntryPointSample {
    pub(super) open: i64,
    pub(super) waited: u64,
    refused: [u64; Refusal::ALL.len()],
    failed: [u64; Fault::ALL.len()],
}

impl EntryPointSample {
    pub(super) fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.waited += other.waited;
        for (count, more) in self.refused.iter_mut().zip(&other.refused) {
            *count += more;
        }
        for (count, more) in self.failed.iter_mut().zip(&other.failed) {
            *count += more;
        }
    }

    /// The same of requests that no server answered.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::ALL.iter().map(|reason| reason.as_str()).zip(self.failed)
    }

    /// Every reason, with how often it was one.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL
            .iter()
            .map(|reason| reason.as_str())
            .zip(self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let counts = EntryPointCounts::default();
        let one = counts.open();
        let _two = counts.clone().open();
        drop(one);
        assert_eq!(counts.sample().open, 1);
    }

    #[test]
    fn every_refusal_is_counted_under_its_own_reason() {
        for reason in Refusal::ALL {
            let counts = EntryPointCounts::default();
            counts.refused(reason);
            let sample = counts.sample();
            let counted: Vec<_> = sample.refused().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(reason.as_str(), 1)]);
        }
    }

    #[test]
    fn every_fault_is_counted_under_its_own_reason() {
        for reason in Fault::ALL {
            let counts = EntryPointCounts::default();
            counts.failed(reason);
            let sample = counts.sample();
            let counted: Vec<_> = sample.failed().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(reason.as_str(), 1)]);
        }
    }
}
