//! Middles and percentiles of what was measured.

/// The percentile by the nearest rank; `per_mille` of 1 to 1,000. `None` where there is nothing.
pub(crate) fn percentile<T: Copy>(sorted: &[T], per_mille: usize) -> Option<T> {
    let rank = (sorted.len() * per_mille).div_ceil(1_000);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// What a quarter of all values is not above.
pub(crate) fn lower_quartile(values: &[f64]) -> Option<f64> {
    percentile(&sorted(values), 250)
}

/// The middle value, or the mean of the two in the middle; not a number where there is nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_the_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).collect();
        let at = |per_mille| percentile(&hundred, per_mille);
        assert_eq!([at(1), at(500), at(501), at(990), at(1_000)], [Some(1), Some(50), Some(51), Some(99), Some(100)]);
        assert_eq!(percentile(&[7], 1), Some(7));
        assert_eq!(percentile::<u64>(&[], 990), None);
    }

    #[test]
    fn quartiles_and_middles_need_no_order() {
        assert_eq!(lower_quartile(&[4.0, 1.0, 3.0, 2.0]), Some(1.0));
        assert_eq!(lower_quartile(&[5.0, 4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median(&[3.0, 1.0, 2.0, 10.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
