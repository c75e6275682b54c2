//! The middle of many numbers, and how far they lie apart.

/// Median and quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the numbers lies below.
    pub low: f64,
    /// Half of them.
    pub median: f64,
    /// Three quarters of them.
    pub high: f64,
}

impl Spread {
    /// Of finite numbers; between two neighbours in a line. All are 0 where there is none.
    pub fn of(numbers: &[f64]) -> Spread {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * sorted.len().saturating_sub(1) as f64;
            let below = place.floor() as usize;
            let value = |i: usize| sorted.get(i).copied();
            let low = value(below).unwrap_or(0.0);
            low + (value(below + 1).unwrap_or(low) - low) * (place - below as f64)
        };
        Spread { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    /// The spread of the reciprocals, times `scale`: of rates, where these are times.
    pub fn rate(self, scale: f64) -> Spread {
        Spread { low: scale / self.high, median: scale / self.median, high: scale / self.low }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn quartiles_lie_between_neighbours() {
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0, 5.0]), Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(Spread::of(&[1.0, 2.0]), Spread { low: 1.25, median: 1.5, high: 1.75 });
        assert_eq!(Spread::of(&[7.0]), Spread { low: 7.0, median: 7.0, high: 7.0 });
        assert_eq!(Spread::of(&[]), Spread { low: 0.0, median: 0.0, high: 0.0 });
    }

    #[test]
    fn the_slowest_time_is_the_lowest_rate() {
        let rate = Spread { low: 1.0, median: 2.0, high: 4.0 }.rate(8.0);
        assert_eq!(rate, Spread { low: 2.0, median: 4.0, high: 8.0 });
    }
}
