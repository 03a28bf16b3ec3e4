//! Medians, quartiles and ratios of few samples.

/// The quartiles of some samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

/// `None` of no samples.
pub(crate) fn spread(samples: &[f64]) -> Option<Spread> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Spread {
        low: quantile(&sorted, 0.25)?,
        middle: quantile(&sorted, 0.5)?,
        high: quantile(&sorted, 0.75)?,
    })
}

/// The quotients of those rounds in which both have a sample. A round is disturbed as a whole, so its quotient
/// says more than the quotient of two medians.
pub(crate) fn ratios(of: &[Option<f64>], to: &[Option<f64>]) -> Vec<f64> {
    let rounds = of.iter().zip(to);
    let both = rounds.filter_map(|(of, to)| Some((*of)? / (*to)?));
    both.filter(|ratio| ratio.is_finite()).collect()
}

/// The smallest of the `sorted` values that `share` of them do not exceed.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_samples_in_whatever_order_they_came() {
        let quartiles = spread(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(
            (quartiles.low, quartiles.middle, quartiles.high),
            (1.75, 2.5, 3.25)
        );
        assert_eq!(spread(&[7.0]).unwrap().middle, 7.0);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round_and_need_both_samples() {
        let of = [Some(2.0), Some(30.0), None, Some(1.0)];
        let to = [Some(1.0), Some(10.0), Some(1.0), None];
        assert_eq!(ratios(&of, &to), [2.0, 3.0]);
        assert!(ratios(&[Some(1.0)], &[Some(0.0)]).is_empty());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&values, 0.5), Some(100));
        assert_eq!(percentile(&values, 0.99), Some(198));
        assert_eq!(percentile(&values, 1.0), Some(200));
        assert_eq!(percentile(&[5], 0.01), Some(5));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
