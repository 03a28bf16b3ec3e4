//! The server with the least to do, or that will answer the soonest.

use smallvec::SmallVec;

use super::super::{
    layout::{Member, View},
    turn::{Turn, below, unit},
};

/// Servers that are looked at for one request. Of more, this many neighbours are, beginning anywhere.
const MAX_LOOKS: usize = 64;

/// Servers that will take at most this much longer than the best one are as good as that: else the noise of a few
/// answers would decide, and weights would not.
const AS_GOOD: f32 = 1.25;

/// A server that may take the request.
struct Look<'a> {
    member: &'a Member,
    /// Requests in flight. Between whole ones chance decides, or rounding would: a server of weight 3 that has one is
    /// neither always busier nor always less busy than an idle one of weight 1. All 0 while all are idle.
    load: f32,
    /// How much may be in flight there, beside others.
    room: f32,
    /// What speaks against it: the less, the better.
    cost: f32,
}

type Looks<'a> = SmallVec<[Look<'a>; MAX_LOOKS]>;

/// The one with the fewest requests in flight for its weight; while all are idle, any by weight.
///
pub(super) fn busy<'a>(view: &View<'a>, turn: Turn) -> Option<&'a Member> {
    let mut looks = look(view, turn);
    if looks.iter().all(|look| look.load == 0.0) {
        return draw(&looks, turn, |_| 1.0);
    }
    for look in &mut looks {
        look.cost = look.load / look.room;
    }
    let least = looks.into_iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
    least.map(|look| look.member)
}

/// The one with the least to wait for; of several that are as good, any by weight. Much slower ones are not forgotten:
/// one that takes twice as long gets a seventh of its share, one that takes ten times as long a request in 4,000.
///
/// To wait is to wait for those who came before. A server that never answered is expected to be like the others: it
/// gets its share and no more, until it is known.
pub(super) fn time<'a>(view: &View<'a>, turn: Turn) -> Option<&'a Member> {
    let mut looks = look(view, turn);
    let (mut sum, mut known, mut room) = (0.0, 0.0, 0.0);
    for look in &mut looks {
        room += look.room;
        look.cost = look.member.server.state.latency(view.now).unwrap_or_default();
        if look.cost > 0.0 {
            (sum, known) = (sum + look.cost, known + 1.0);
        }
    }
    let usual = if known > 0.0 { sum / known } else { 1.0 };
    let room = room / looks.len() as f32;
    for look in &mut looks {
        let latency = if look.cost > 0.0 { look.cost } else { usual };
        look.cost = latency * (1.0 + look.load * room / look.room);
    }
    let least = looks.iter().map(|look| look.cost).fold(f32::INFINITY, f32::min);
    draw(&looks, turn, |look| {
        (AS_GOOD * least / look.cost).min(1.0).powi(4)
    })
}

fn look<'a>(view: &View<'a>, turn: Turn) -> Looks<'a> {
    let members = view.members();
    let first = match members.len() > MAX_LOOKS {
        true => below(turn.die(0), members.len()),
        false => 0,
    };
    let (before, after) = members.split_at_checked(first).unwrap_or_default();
    let looks = after
        .iter()
        .chain(before)
        .zip(1..)
        .filter(|(member, die)| view.is_due(member, || turn.die(*die)) && view.takes(member))
        .take(MAX_LOOKS)
        .map(|(member, _)| Look {
            member,
            load: member.server.state.in_flight() as f32,
            room: member.weight * view.part(member),
            cost: 0.0,
        });
    let mut looks: Looks<'a> = looks.collect();
    if looks.iter().any(|look| look.load > 0.0) {
        for (look, die) in looks.iter_mut().zip(members.len() as u64 + 1..) {
            look.load += unit(turn.die(die));
        }
    }
    looks
}

/// One of them, by weight and by what it is `worth` beside the best, from 0 to 1.
fn draw<'a>(looks: &Looks<'a>, turn: Turn, worth: impl Fn(&Look<'a>) -> f32) -> Option<&'a Member> {
    let part = |look: &Look<'a>| look.member.weight * worth(look);
    // By chance: turns would follow the order in which servers become idle again.
    let mut mark = unit(turn.die(u64::MAX)) * looks.iter().map(part).sum::<f32>();
    let drawn = looks.iter().find(|look| {
        mark -= part(look);
        mark < 0.0
    });
    drawn.or_else(|| looks.last()).map(|look| look.member)
}
