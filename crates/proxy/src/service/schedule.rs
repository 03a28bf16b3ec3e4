//! The order in which weighted members take turns.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Longest cycle that is laid out for members of different weight. Larger sums of weights are scaled down, so
/// that shares are exact to one part in this many.
pub(crate) const MAX_CYCLE: u64 = 4096;

/// The order of turns in one cycle: every member has its share, spread evenly. At any point of the cycle a
/// member is less than one turn away from what its weight promises.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Schedule {
    turns: Vec<u32>,
}

impl Schedule {
    /// Lays out the turns of members with these weights. Members of weight 0 get none.
    pub(crate) fn new(weights: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let weights = reduced(weights);
        let equal = weights.iter().all(|(_, weight)| *weight == 1);
        let turns = if equal {
            weights.into_iter().map(|(member, _)| member).collect()
        } else {
            spread(&weights)
        };
        Self { turns }
    }

    /// The member whose turn it is; `None` without members.
    pub(crate) fn at(&self, turn: usize) -> Option<usize> {
        let turn = turn.checked_rem(self.turns.len())?;
        self.turns.get(turn).map(|member| *member as usize)
    }

    /// Turns in a cycle.
    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }
}

/// The weights above zero in lowest terms, and no larger in sum than [`MAX_CYCLE`] allows.
fn reduced(weights: impl IntoIterator<Item = (u32, u32)>) -> Vec<(u32, u64)> {
    let mut weights: Vec<(u32, u64)> = weights
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(member, weight)| (member, u64::from(weight)))
        .collect();
    divide_by_gcd(&mut weights);
    let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
    if sum > MAX_CYCLE {
        for (_, weight) in &mut weights {
            *weight = (*weight * MAX_CYCLE / sum).max(1);
        }
        divide_by_gcd(&mut weights);
    }
    weights
}

fn divide_by_gcd(weights: &mut [(u32, u64)]) {
    let divisor = weights
        .iter()
        .fold(0, |divisor, (_, weight)| gcd(divisor, *weight));
    if divisor > 1 {
        for (_, weight) in weights {
            *weight /= divisor;
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Earliest deadline first, where the n-th turn of a member may not come before its share has grown to n - 1
/// turns and must come before it exceeds n. With unit turns this never misses a deadline.
fn spread(weights: &[(u32, u64)]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut waiting: BinaryHeap<Reverse<Turn>> = weights
        .iter()
        .map(|&(member, weight)| Reverse(Turn::new(member, weight, 0, sum)))
        .collect();
    let mut due = BinaryHeap::new();
    let mut turns = Vec::with_capacity(usize::try_from(sum).unwrap_or_default());
    for now in 0..sum {
        while let Some(Reverse(turn)) = waiting.peek()
            && turn.release <= now
        {
            due.push(Reverse((turn.deadline, turn.member, turn.weight, turn.number)));
            waiting.pop();
        }
        let Some(Reverse((_, member, weight, number))) = due.pop() else {
            continue;
        };
        turns.push(member);
        if number + 1 < weight {
            waiting.push(Reverse(Turn::new(member, weight, number + 1, sum)));
        }
    }
    turns
}

/// The `number`-th turn of a member; ordered by when it may come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    release: u64,
    deadline: u64,
    member: u32,
    weight: u64,
    number: u64,
}

impl Turn {
    fn new(member: u32, weight: u64, number: u64, sum: u64) -> Self {
        Self {
            release: number * sum / weight,
            deadline: ((number + 1) * sum).div_ceil(weight),
            member,
            weight,
            number,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(weights: &[u32]) -> Vec<u32> {
        Schedule::new((0..).zip(weights.iter().copied())).turns
    }

    #[test]
    fn a_heavy_member_does_not_take_its_turns_in_a_row() {
        assert_eq!(turns(&[2, 1, 1]), [0, 1, 0, 2]);
    }

    #[test]
    fn equal_weights_take_turns_whatever_their_size() {
        assert_eq!(turns(&[7, 7, 0, 7]), [0, 1, 3]);
    }

    #[test]
    fn a_cycle_stays_short_for_weights_of_any_size() {
        let turns = turns(&[u32::MAX, 1, u32::MAX - 7]);
        assert!(turns.len() as u64 <= MAX_CYCLE + 3, "{}", turns.len());
        assert_eq!(turns.iter().filter(|member| **member == 1).count(), 1);
    }

    proptest! {
        #[test]
        fn shares_hold_within_one_turn_at_any_point(weights in prop::collection::vec(0_u32..40, 1..12)) {
            let turns = turns(&weights);
            let sum: u32 = weights.iter().sum();
            for (member, weight) in (0_u32..).zip(&weights) {
                let mut had = 0_f64;
                for (so_far, turn) in turns.iter().enumerate() {
                    had += f64::from(u8::from(*turn == member));
                    let promised = (so_far + 1) as f64 * f64::from(*weight) / f64::from(sum);
                    prop_assert!((had - promised).abs() < 1.0, "{member} had {had} of {promised} in {turns:?}");
                }
            }
        }
    }
}
