//! The ways to choose one of several servers: functions of what is seen of them, of time and of a number.

mod hash;
mod least;
mod two_choices;

pub(super) use hash::time_of;
use mesh_config::model::{Hash, Strategy};

use super::{
    Asking, key,
    layout::{Member, Rules, View},
    schedule::Schedule,
    turn::Turn,
};

/// Weights that zones made fractions of are laid out as whole numbers with this for the largest.
const FINEST: f32 = 1000.0;

/// A strategy with what it needs besides the servers.
#[derive(Debug)]
pub(super) enum Method {
    /// Everybody in turn.
    Turns(Schedule),
    /// The less busy of two.
    TwoChoices,
    /// The least busy one.
    LeastConn,
    /// The one that answers soonest.
    LeastTime,
    /// By a key.
    Hash(Hash),
}

impl Default for Method {
    fn default() -> Self {
        Self::Turns(Schedule::default())
    }
}

impl Method {
    pub(super) fn new(rules: &Rules, members: &[Member]) -> Self {
        match rules.strategy {
            Strategy::Wrr => Self::Turns(Schedule::new((0..).zip(whole(members)))),
            Strategy::P2c => Self::TwoChoices,
            Strategy::LeastConn => Self::LeastConn,
            Strategy::LeastTime => Self::LeastTime,
            Strategy::Hrw | Strategy::ConsistentHash => Self::Hash(rules.hash.clone()),
        }
    }

    /// True if it has to know what time it is.
    pub(super) fn needs_time(&self) -> bool {
        matches!(self, Self::LeastTime)
    }

    /// The key of a request, where that decides.
    pub(super) fn key(&self, asking: &Asking<'_>) -> Option<u64> {
        match self {
            Self::Hash(hash) => Some(key::of(&hash.key, asking)),
            Self::Turns(_) | Self::TwoChoices | Self::LeastConn | Self::LeastTime => None,
        }
    }

    /// A member that takes the request; `None` if it found none, which for some means only that they did not look at
    /// all.
    pub(super) fn choose<'a>(&self, view: &View<'a>, turn: impl Fn() -> Turn) -> Option<&'a Member> {
        match self {
            Self::Turns(schedule) => in_turn(schedule, view, turn),
            Self::TwoChoices => two_choices::choose(view, turn()),
            Self::LeastConn => least::busy(view, turn()),
            Self::LeastTime => least::time(view, turn()),
            Self::Hash(hash) => hash::choose(view, hash),
        }
    }
}

fn in_turn<'a>(schedule: &Schedule, view: &View<'a>, turn: impl Fn() -> Turn) -> Option<&'a Member> {
    for _ in 0..schedule.len() {
        let turn = turn();
        let member = view.members().get(schedule.at(turn.0)?)?;
        if view.is_due(member, || turn.die(0)) && view.takes(member) {
            return Some(member);
        }
    }
    None
}

fn whole(members: &[Member]) -> impl Iterator<Item = u32> {
    let largest = members.iter().map(|member| member.weight).fold(0.0, f32::max);
    let is_whole = members.iter().all(|member| member.weight.fract() == 0.0);
    members.iter().map(move |member| match is_whole {
        true => member.weight as u32,
        false => ((member.weight / largest * FINEST).round() as u32).max(1),
    })
}
