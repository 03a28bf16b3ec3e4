//! Rendezvous hashing: every server draws a number for the key, and the highest one wins.
//!
//! When a server goes, only its own keys move, spread over all others by weight; no table has to be made again for
//! that, unlike with a ring. It costs one step for each server.

use mesh_config::model::Hash;

use super::super::{
    key,
    layout::{Member, View},
    turn::mix,
};

/// The server of the request's key.
pub(super) fn choose<'a>(view: &View<'a>, hash: &Hash) -> Option<&'a Member> {
    let key = key::of(&hash.key, &view.asking);
    if hash.bounded_load > 0 {
        let bound = bound(view, hash.bounded_load);
        let has_room =
            |member: &Member| member.server.state.in_flight() as f32 + 1.0 <= bound * member.weight;
        if let Some(member) = highest(view, key, has_room) {
            return Some(member);
        }
    }
    highest(view, key, |_| true)
}

/// The requests that a server of weight 1 may have, this one included.
fn bound(view: &View<'_>, percent: u16) -> f32 {
    let in_flight = view
        .members()
        .iter()
        .map(|member| member.server.state.in_flight());
    let all = in_flight.sum::<usize>() as f32 + 1.0;
    let share = all / view.layout.total * f32::from(percent) / 100.0;
    // A server may always have one.
    let least = view.members().iter().map(|member| 1.0 / member.weight);
    share.max(least.fold(0.0, f32::max))
}

fn highest<'a>(view: &View<'a>, key: u64, takes: impl Fn(&Member) -> bool) -> Option<&'a Member> {
    let drawn = view
        .members()
        .iter()
        .map(|member| (mix(key ^ member.seed), member));
    let taking = drawn.filter(|(_, member)| takes(member) && view.takes(member));
    if view.layout.is_even {
        return taking.max_by_key(|(number, _)| *number).map(|(_, member)| member);
    }
    let time = |number: u64, member: &Member| time_of(number, f64::from(member.weight));
    taking
        .map(|(number, member)| (time(number, member), member))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, member)| member)
}

/// -ln(u) / w for the number that somebody of this weight drew: the least of these is its own as often as its weight
/// says.
pub(in crate::service) fn time_of(number: u64, weight: f64) -> f64 {
    -((number as f64 + 1.0) / 2_f64.powi(64)).ln() / weight
}
