//! How long to wait before another attempt on the same target.

use crate::config::Retry;

/// The wait before the attempt after `attempts`: exponential, and the later half of it at random, so that clients which
/// failed together do not come back together. What the target asked for is obeyed up to `max_delay_ms`.
pub(crate) fn wait_ms(retry: &Retry, attempts: u32, retry_after_ms: Option<u64>, seed: u64) -> u64 {
    let max = u64::from(retry.max_delay_ms);
    if let Some(asked) = retry_after_ms {
        return asked.min(max);
    }
    let doublings = attempts.saturating_sub(1).min(31);
    let longest = (u64::from(retry.initial_delay_ms) << doublings).min(max);
    let half = longest / 2;
    half + mix(seed ^ u64::from(attempts)) % (longest - half + 1)
}

/// Spreads neighbouring numbers (the finalizer of `SplitMix64`).
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What `retry-after-ms` and `retry-after` ask for, in milliseconds: a number of seconds or an HTTP date (RFC 9110
/// §10.2.3). `retry-after-ms` is OpenAI's own header and the more exact one.
pub fn retry_after_ms(
    retry_after_ms: Option<&str>,
    retry_after: Option<&str>,
    now_us: u64,
) -> Option<u64> {
    let millis = |text: &str, factor: f64| {
        let value: f64 = text.trim().parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be between 0 and a day"
        )]
        (0.0..=86_400_000.0)
            .contains(&(value * factor))
            .then_some((value * factor) as u64)
    };
    if let Some(exact) = retry_after_ms.and_then(|text| millis(text, 1.0)) {
        return Some(exact);
    }
    let text = retry_after?;
    millis(text, 1000.0).or_else(|| {
        let at_ms = http_date(text.trim())? * 1000;
        Some(at_ms.saturating_sub(now_us / 1000))
    })
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.strip_suffix(" GMT")?.split_once(", ")?.1.split(' ');
    let day: u64 = parts.next()?.parse().ok().filter(|day| *day <= 31)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = parts
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts.next()?.split(':').map(str::parse::<u64>);
    let mut next = |limit: u64| clock.next()?.ok().filter(|value| *value < limit);
    let (hour, minute, second) = (next(24)?, next(60)?, next(61)?);
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970 to a date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day.max(1) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_their_bounds() {
        let retry = Retry {
            initial_delay_ms: 100,
            max_delay_ms: 350,
            ..Retry::default_policy()
        };
        for seed in 0..200 {
            for (attempts, bounds) in [
                (1, 50..=100),
                (2, 100..=200),
                (3, 175..=350),
                (40, 175..=350),
            ] {
                let wait = wait_ms(&retry, attempts, None, seed);
                assert!(bounds.contains(&wait), "{attempts}: {wait}");
            }
        }
        assert_ne!(wait_ms(&retry, 1, None, 1), wait_ms(&retry, 1, None, 2));
    }

    #[test]
    fn what_the_target_asks_for_is_obeyed_up_to_the_limit() {
        let retry = Retry::default_policy();
        assert_eq!(wait_ms(&retry, 1, Some(1200), 0), 1200);
        assert_eq!(wait_ms(&retry, 1, Some(90_000), 0), 5000);
    }

    #[test]
    fn retry_after_is_seconds_a_date_or_milliseconds() {
        let now = 784_111_777_000_000;
        assert_eq!(retry_after_ms(None, Some("3"), now), Some(3000));
        assert_eq!(retry_after_ms(Some("250"), Some("3"), now), Some(250));
        assert_eq!(
            retry_after_ms(None, Some("Sun, 06 Nov 1994 08:49:47 GMT"), now),
            Some(10_000)
        );
        assert_eq!(
            retry_after_ms(None, Some("Sun, 06 Nov 1994 08:49:07 GMT"), now),
            Some(0)
        );
        for nonsense in [
            "",
            "soon",
            "-1",
            "NaN",
            "1e300",
            "Sun, 99 Nov 1994 08:49:47 GMT",
        ] {
            assert_eq!(
                retry_after_ms(None, Some(nonsense), now),
                None,
                "{nonsense}"
            );
        }
    }
}
