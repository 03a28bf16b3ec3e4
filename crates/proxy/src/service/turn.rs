//! Where a choice takes its chances from.

/// 2^64 divided by the golden ratio: consecutive turns end up far from each other.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a choice, and what is drawn by it: one shared count gives the order of turns and all dice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(pub(super) usize);

impl Turn {
    /// Its place in an even sequence that never repeats itself: any run of turns is spread over all numbers.
    pub(super) fn place(self) -> u64 {
        (self.0 as u64).wrapping_mul(GOLDEN)
    }

    /// The `number`-th die of this turn.
    pub(super) fn die(self, number: u64) -> u64 {
        mix(self
            .place()
            .wrapping_add(number.wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }
}

/// Bits so shuffled that any change of one changes half of them.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// From 0 to below 1, by the upper bits.
pub(super) fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1_u64 << 24) as f32
}

/// From 0 to below `count`, by the upper bits.
pub(super) fn below(bits: u64, count: usize) -> usize {
    ((u128::from(bits) * count as u128) >> 64) as usize
}
