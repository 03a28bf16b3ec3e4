//! Whether a server may be chosen: one verdict from all that is known of it.

use mesh_config::instance::Lifecycle;
use serde::Serialize;

use super::health::CheckStatus;

/// Whether a server may be chosen, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Gets requests.
    Ready,
    /// Not known to serve yet: gets requests only while no server is ready.
    Untested,
    /// A canary that failed more than stable servers do: gets requests only while nobody else can take them, and loses
    /// the clients that it knows.
    Stopped,
    /// On its way out: finishes what it has and gets nothing new.
    Draining,
    /// Gets none.
    Out,
}

impl Standing {
    /// True if new requests may go there.
    pub fn takes_requests(self) -> bool {
        matches!(self, Self::Ready | Self::Untested | Self::Stopped)
    }

    /// True if clients that it knows may go on with it.
    pub(super) fn keeps_sessions(self) -> bool {
        matches!(self, Self::Ready | Self::Untested | Self::Draining)
    }
}

/// All that is known of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// It has a share of requests.
    pub(crate) has_weight: bool,
    /// What its provider says.
    pub(crate) lifecycle: Lifecycle,
    /// What probes found; `None` without probes.
    pub(crate) probes: Option<CheckStatus>,
    /// It failed its requests.
    pub(crate) ejected: bool,
    /// It is a canary, and canaries were stopped.
    pub(crate) stopped: bool,
    /// It has drained for as long as it may.
    pub(crate) drained: bool,
    /// It drains, and clients are not to come back to it.
    pub(crate) deserted: bool,
}

/// What a server's standing comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nothing is in its way.
    Nothing,
    /// Its weight is 0.
    Weight,
    /// Its provider found it unhealthy.
    Provider,
    /// It failed probes.
    Probes,
    /// It failed requests.
    Requests,
    /// It is a canary that was stopped.
    Canary,
    /// It has drained for as long as it may.
    Drained,
    /// It drains and does not answer, or somebody else is at its address.
    Deserted,
    /// Its provider takes it away.
    Leaving,
    /// No probe was answered yet.
    Unprobed,
    /// Its provider does not know it to serve yet.
    Starting,
}

impl Known {
    /// The state machine of a server. What speaks against it counts before what is only not known; a probe that passed
    /// outweighs a provider that does not know yet, and no provider that knows.
    pub(crate) fn verdict(self) -> (Standing, Cause) {
        use Standing::{Draining, Out, Ready, Stopped, Untested};
        let draining = self.lifecycle == Lifecycle::Draining;
        match (self.lifecycle, self.probes) {
            _ if !self.has_weight => (Out, Cause::Weight),
            (Lifecycle::Unhealthy, _) => (Out, Cause::Provider),
            (_, Some(CheckStatus::Down)) => (Out, Cause::Probes),
            _ if self.ejected => (Out, Cause::Requests),
            _ if draining && self.drained => (Out, Cause::Drained),
            _ if draining && self.deserted => (Out, Cause::Deserted),
            _ if draining && self.stopped => (Out, Cause::Canary),
            _ if draining => (Draining, Cause::Leaving),
            _ if self.stopped => (Stopped, Cause::Canary),
            (Lifecycle::Ready, None) | (_, Some(CheckStatus::Up)) => (Ready, Cause::Nothing),
            (_, Some(CheckStatus::Untested)) => (Untested, Cause::Unprobed),
            (Lifecycle::Starting | Lifecycle::Draining, None) => (Untested, Cause::Starting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a server of some weight: one letter for each thing known of it. Lifecycle `r`eady, `s`tarting,
    /// `u`nhealthy, `d`raining; probes `-` none, `?` untested, `+` up, `!` down; `e`jected or not.
    fn verdict(known: &str) -> (Standing, Cause) {
        let [life, probes, ejected] = known.as_bytes() else {
            panic!("{known} is no state");
        };
        let known = Known {
            has_weight: true,
            lifecycle: match life {
                b'r' => Lifecycle::Ready,
                b's' => Lifecycle::Starting,
                b'u' => Lifecycle::Unhealthy,
                _ => Lifecycle::Draining,
            },
            probes: match probes {
                b'-' => None,
                b'?' => Some(CheckStatus::Untested),
                b'+' => Some(CheckStatus::Up),
                _ => Some(CheckStatus::Down),
            },
            ejected: *ejected == b'e',
            stopped: false,
            drained: false,
            deserted: false,
        };
        assert_eq!(
            Known {
                has_weight: false,
                ..known
            }
            .verdict(),
            (Standing::Out, Cause::Weight)
        );
        for (drained, deserted, cause) in [(true, false, Cause::Drained), (false, true, Cause::Deserted)] {
            let over = Known {
                drained,
                deserted,
                ..known
            };
            match known.verdict() {
                (Standing::Draining, _) => assert_eq!(over.verdict(), (Standing::Out, cause)),
                same => assert_eq!(over.verdict(), same, "only what drains can have drained"),
            }
        }
        let stopped = Known {
            stopped: true,
            ..known
        };
        match (known.verdict(), stopped.verdict()) {
            ((Standing::Draining, _), stopped) => assert_eq!(stopped, (Standing::Out, Cause::Canary)),
            ((Standing::Ready | Standing::Untested, _), stopped) => {
                assert_eq!(stopped, (Standing::Stopped, Cause::Canary));
            }
            (out, stopped) => assert_eq!(stopped, out, "it is out for a better reason"),
        }
        known.verdict()
    }

    #[test]
    fn every_state_has_its_standing() {
        use Standing::{Draining, Out, Ready, Untested};
        for (states, standing, cause) in [
            ("r-. r+. s+.", Ready, Cause::Nothing),
            ("r?. s?.", Untested, Cause::Unprobed),
            ("s-.", Untested, Cause::Starting),
            ("d-. d?. d+.", Draining, Cause::Leaving),
            ("u-. u?. u+. u!. u-e u?e u+e u!e", Out, Cause::Provider),
            ("r!. s!. d!. r!e s!e d!e", Out, Cause::Probes),
            ("r-e r?e r+e s-e s?e s+e d-e d?e d+e", Out, Cause::Requests),
        ] {
            for state in states.split(' ') {
                assert_eq!(verdict(state), (standing, cause), "{state}");
            }
        }
    }
}
