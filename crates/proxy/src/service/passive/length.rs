//! How long ejections take.

use std::time::Duration;

/// Doublings beyond which no length is any different.
const MAX_LEVEL: u32 = 32;

/// The level of the next ejection after one of level `last`, once the server did well for `well`: one up, and one down
/// again for each length of that ejection.
pub(super) fn next_level(last: Option<u32>, well: Duration, base: Duration, max: Duration) -> u32 {
    let Some(last) = last else { return 0 };
    let length = length(last, base, max);
    let lengths = well.as_millis().checked_div(length.as_millis());
    let down = lengths.map_or(u32::MAX, |lengths| u32::try_from(lengths).unwrap_or(u32::MAX));
    let up = u32::from(length < max && last < MAX_LEVEL);
    (last + up).saturating_sub(down)
}

/// How long an ejection of `level` takes: `base`, doubled with each level up to `max`, and never less than `base`.
pub(super) fn length(level: u32, base: Duration, max: Duration) -> Duration {
    let factor = 1_u32.checked_shl(level.min(MAX_LEVEL)).unwrap_or(u32::MAX);
    base.saturating_mul(factor).min(max.max(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(10);
    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn ejections_grow_up_to_the_longest() {
        let lengths = [0, 1, 2, 3, 40].map(|level| length(level, BASE, MAX).as_secs());
        assert_eq!(lengths, [10, 20, 40, 60, 60]);
        assert_eq!(
            length(3, BASE, Duration::ZERO),
            BASE,
            "a limit below the first one"
        );
    }

    #[test]
    fn a_server_that_fails_again_at_once_is_out_for_longer_and_one_that_does_well_for_less() {
        let next = |last, well| next_level(last, Duration::from_secs(well), BASE, MAX);
        for (last, well, level) in [
            (None, 0, 0),
            (Some(0), 0, 1),
            (Some(0), 9, 1),
            (Some(0), 10, 0),
            (Some(2), 39, 3),
            (Some(2), 40, 2),
            (Some(2), 80, 1),
            (Some(2), 120, 0),
            (Some(2), 100_000, 0),
            (Some(3), 0, 3),
        ] {
            assert_eq!(next(last, well), level, "{last:?} after {well}s");
        }
    }

    #[test]
    fn levels_end_where_no_length_is_any_different() {
        let mut level = None;
        for _ in 0..100 {
            level = Some(next_level(level, Duration::ZERO, BASE, Duration::MAX));
        }
        assert_eq!(level, Some(MAX_LEVEL));
    }
}
