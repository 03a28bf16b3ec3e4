//! The less busy of two that are drawn by weight.

use super::super::{
    layout::{Member, View},
    turn::{Turn, below, unit},
};

/// Pairs that are drawn until one of a pair takes the request.
const PAIRS: u64 = 4;

/// Chooses without a look at more than a few servers, however many there are.
pub(super) fn choose<'a>(view: &View<'a>, turn: Turn) -> Option<&'a Member> {
    for pair in 0..PAIRS {
        let dice = |number: u64| turn.die(pair * 6 + number);
        let (place, first) = draw(view, dice(0))?;
        let usable = |member: &Member, die: u64| view.is_due(member, || die) && view.takes(member);
        let first_takes = usable(first, dice(1));
        let Some(second) = draw_other(view, place, dice(2)) else {
            return view.takes(first).then_some(first);
        };
        match (first_takes, usable(second, dice(3))) {
            (true, true) => {
                let stays = is_less_busy(view, first, second, [dice(4), dice(5)]);
                return Some(if stays { first } else { second });
            }
            (true, false) => return Some(first),
            (false, true) => return Some(second),
            (false, false) => {}
        }
    }
    None
}

/// True if `first` has no more requests in flight for each part of its share than `second`. Between whole requests
/// chance decides, or rounding would.
fn is_less_busy(view: &View<'_>, first: &Member, second: &Member, chance: [u64; 2]) -> bool {
    let in_flight = |member: &Member| member.server.state.in_flight();
    if in_flight(first) == 0 && in_flight(second) == 0 {
        return true;
    }
    let load = |member: &Member, die: u64| {
        let room = member.weight * view.part(member);
        (in_flight(member) as f32 + unit(die)) / room
    };
    let [one, other] = chance;
    load(first, one) <= load(second, other)
}

fn draw<'a>(view: &View<'a>, die: u64) -> Option<(usize, &'a Member)> {
    let members = view.members();
    let place = match view.layout.is_even {
        true => below(die, members.len()),
        false => at(members, unit(die) * view.layout.total),
    };
    Some((place, members.get(place)?))
}

/// One that is not at `place`; `None` when there is none.
fn draw_other<'a>(view: &View<'a>, place: usize, die: u64) -> Option<&'a Member> {
    let members = view.members();
    let others = members.len().checked_sub(1).filter(|others| *others > 0)?;
    if view.layout.is_even {
        let other = below(die, others);
        return members.get(other + usize::from(other >= place));
    }
    let taken = members.get(place)?;
    let mark = unit(die) * (view.layout.total - taken.weight);
    let mark = match mark < taken.upto - taken.weight {
        true => mark,
        false => mark + taken.weight,
    };
    let other = at(members, mark);
    match other == place {
        false => members.get(other),
        // Rounding; a neighbour will do.
        true => members
            .get(place + 1)
            .or_else(|| members.get(place.checked_sub(1)?)),
    }
}

/// The member whose interval of the sum of weights holds `mark`.
fn at(members: &[Member], mark: f32) -> usize {
    let place = members.partition_point(|member| member.upto <= mark);
    place.min(members.len().saturating_sub(1))
}
