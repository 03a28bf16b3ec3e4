//! The servers that a call was offered to, and whether there is to be another one.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::Rng as _;
use smallvec::SmallVec;

use super::{Answer, Call, ForwardError, copies, led::Led};
use crate::{
    respond::Failure,
    service::{Allowed, Need, Pick, Server, ServerId, Service, Terms},
    upstream::Upstreams,
};

/// Servers that are remembered without memory of their own.
const FEW: usize = 3;

/// How long a server that a call was offered to before is left alone, the first time; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest of these pauses.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// Servers that may refuse a connection without being counted as tries.
const MAX_REFUSED: usize = 16;

/// The servers that a call was offered to.
#[derive(Debug, Default)]
pub(super) struct Tries {
    tried: SmallVec<[ServerId; FEW]>,
    unreachable: SmallVec<[ServerId; FEW]>,
    /// What came of the last one, if that is not what counts.
    last: Option<Result<Answer, ForwardError>>,
    /// The answer to its failure as middlewares left it.
    altered: Option<Answer>,
    /// Offers to the service, or to the one in its place.
    offers: u8,
    /// There is to be no further one.
    is_spent: bool,
    /// A service is asked in place of another one that has no server left.
    is_instead: bool,
    /// A server answered in vain, or not in time.
    is_wasted: bool,
    /// The last one refused the connection: it had no work with the call. If nobody else had, the next offer costs nothing.
    is_free: bool,
    /// What the offer in hand took out of the budget, if it is not the first.
    at_stake: Option<(Arc<Terms>, Allowed)>,
    /// What those before it did.
    taken: SmallVec<[(Arc<Terms>, Allowed); 1]>,
}

impl Tries {
    /// The next server, if there is to be one.
    pub(super) fn next(
        &mut self,
        service: &Service,
        call: &Call,
        upstreams: &Rc<Upstreams>,
        now: Instant,
    ) -> Option<Pick> {
        let mut pick = self.pick(service, call, now);
        if let Ok(wanted) = &pick
            && !self.is_paid(wanted, call, now)
        {
            self.refuse(&wanted.server);
            // Only who is there in place of the service; that is no retry.
            pick = self.pick(service, call, now);
            let _is_paid = pick
                .as_ref()
                .is_ok_and(|instead| self.is_paid(instead, call, now));
        }
        match pick {
            Ok(pick) => {
                if let Some(Ok(answer)) = self.last.take() {
                    copies::let_go(answer, upstreams);
                }
                Some(pick)
            }
            Err(none) => {
                self.last.get_or_insert(Err(none));
                None
            }
        }
    }

    /// How long to wait before `server` is asked, if it was before: others do, too, and all of them would come at once. It
    /// is up to a half less at random.
    pub(super) fn pause(&self, server: &Server) -> Option<Duration> {
        let repeats = self.tried.iter().filter(|tried| **tried == server.id()).count();
        let doublings = u32::try_from(repeats.checked_sub(1)?).unwrap_or(u32::MAX);
        let pause = FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(MAX_PAUSE);
        Some(pause.mul_f64(rand::rng().random_range(0.5..=1.0)))
    }

    /// What counts, once there is no further server.
    pub(super) fn outcome(self) -> Result<Answer, ForwardError> {
        match self.altered {
            Some(answer) => Ok(answer),
            None => self.last.unwrap_or(Err(ForwardError::Unsent)),
        }
    }

    /// [`Self::note`] for an offer behind middlewares.
    pub(super) fn note_led(
        &mut self,
        server: &Server,
        led: Led,
        call: &mut Call,
    ) -> Option<Result<Answer, ForwardError>> {
        let Led {
            mut answer,
            repeatable,
            ..
        } = led;
        let error = match answer.take_failure() {
            Some(Failure::Forward(error)) if error.is_retryable() => error,
            failure => {
                answer.because(failure);
                return self.note(server, Ok(answer), repeatable, call);
            }
        };
        let counts = self.note(server, Err(error), repeatable, call);
        self.altered = Some(answer);
        counts
    }

    fn pick(&self, service: &Service, call: &Call, now: Instant) -> Result<Pick, ForwardError> {
        let is_answered = matches!(self.last, Some(Ok(_)));
        if self.is_spent && (self.is_instead || is_answered) {
            return Err(ForwardError::Unsent);
        }
        let pick = |tried: &[ServerId]| {
            let pick = service.pick(&call.asking(tried, self.is_spent, now));
            let pick = pick.map_err(ForwardError::NoServer)?;
            // For answers that do not count a service in place of another one has rules of its own.
            match is_answered && pick.is_instead && !self.is_instead {
                true => Err(ForwardError::Unsent),
                false => Ok(pick),
            }
        };
        // Servers that only closed a connection may have another one for whoever found no other server.
        pick(&self.tried).or_else(|none| match self.unreachable == self.tried {
            true => Err(none),
            false => pick(&self.unreachable),
        })
    }

    /// Whether the next offer is within the budget. The first one to a service is no retry.
    fn is_paid(&mut self, pick: &Pick, call: &Call, now: Instant) -> bool {
        let terms = &pick.server.terms;
        if self.tried.is_empty() || pick.is_instead && !self.is_instead {
            terms.count(now);
            (self.is_instead, self.is_spent, self.offers) = (pick.is_instead, false, 0);
            return true;
        }
        if self.is_free && !call.was_spoilt() {
            return true;
        }
        let need = match self.is_wasted || pick.server.state.is_in_doubt() {
            true => Need::Payment,
            false => Need::Trust,
        };
        let taken = terms.take_retry(need, now);
        self.at_stake = taken.map(|taken| (terms.clone(), taken));
        taken.is_some()
    }

    /// There is no budget to offer the call to `server`.
    fn refuse(&mut self, server: &Server) {
        server.terms.refuse_retry();
        self.is_spent = true;
        self.last = self.last.take().map(|last| match last {
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.beyond_budget(&server.service)),
        });
    }

    /// Takes what came of an offer to `server`; gives it back if it counts. What was sent is `repeatable` or not.
    pub(super) fn note(
        &mut self,
        server: &Server,
        outcome: Result<Answer, ForwardError>,
        repeatable: bool,
        call: &mut Call,
    ) -> Option<Result<Answer, ForwardError>> {
        let is_refused = matches!(outcome, Err(ForwardError::Connect { .. }));
        let goes_on = server.terms.retry.attempts > 1 && self.unreachable.len() < MAX_REFUSED;
        self.is_free = is_refused && goes_on;
        self.offers += u8::from(!self.is_free);
        self.altered = None;
        self.is_spent = self.offers >= server.terms.retry.attempts;
        let status = outcome.as_ref().map(|answer| answer.head.status);
        let is_bad = status.is_ok_and(|status| server.terms.retry.statuses.contains(status.as_u16()));
        self.settle(is_refused, outcome.is_ok() && !is_bad && call.was_only_lost());
        match &outcome {
            Ok(answer) => {
                let status = answer.head.status;
                if !repeatable || self.is_spent || !is_bad {
                    return Some(outcome);
                }
                tracing::debug!(server = %server.authority, %status, "trying another server");
                call.spoil();
            }
            Err(error) if error.is_retryable() => {
                tracing::debug!(server = %server.authority, %error, "trying another server");
                if error.is_unreachable() {
                    self.unreachable.push(server.id());
                }
                self.is_spent |= matches!(error, ForwardError::RetryBudget { .. });
            }
            Err(_) => return Some(outcome),
        }
        self.is_wasted = !call.was_only_lost();
        self.tried.push(server.id());
        self.last = Some(outcome);
        None
    }

    /// Settles for the offer in hand: nothing reached its server if `is_refused`. It was answered `well` after servers
    /// that were gone, or not.
    fn settle(&mut self, is_refused: bool, well: bool) {
        if let Some((terms, at_stake)) = self.at_stake.take() {
            match well || is_refused {
                true => terms.give_back(at_stake),
                false => self.taken.push((terms.clone(), terms.charge(at_stake))),
            }
        }
        if well {
            for (terms, taken) in self.taken.drain(..) {
                terms.give_back(taken);
            }
        }
    }
}
