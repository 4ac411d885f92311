//! What a client is told of a limit, in OpenAI's headers.

use super::Unit;

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How much there is in a window.
    pub max: u128,
    /// How much is left of it.
    pub left: u128,
    /// When the next window begins, in microseconds from now.
    pub reset_us: u64,
}

/// The tightest limits of an exchange: of requests, and of tokens. What money is left is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standings([Option<Standing>; 2]);

impl Standings {
    /// Takes a limit.
    pub fn note(&mut self, unit: Unit, standing: Standing) {
        let [requests, tokens] = &mut self.0;
        let place = match unit {
            Unit::Requests => requests,
            Unit::Tokens => tokens,
            Unit::Usd => return,
        };
        if place.is_none_or(|other| standing.left < other.left) {
            *place = Some(standing);
        }
    }

    /// The headers.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let [requests, tokens] = &self.0;
        let names = [
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
            [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
        ];
        let all = [requests, tokens].into_iter().zip(names);
        all.filter_map(|(standing, names)| Some((standing.as_ref()?, names)))
            .flat_map(|(standing, [limit, remaining, reset])| {
                [
                    (limit, standing.max.to_string()),
                    (remaining, standing.left.to_string()),
                    (reset, duration(standing.reset_us)),
                ]
            })
            .collect()
    }
}

/// As OpenAI writes it: `120ms`, `17s`, `6m0s`, `2h0m5s`.
fn duration(micros: u64) -> String {
    let millis = micros.div_ceil(1000);
    let seconds = millis / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{millis}ms"),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_openai_does() {
        for (micros, text) in [
            (1, "1ms"),
            (119_001, "120ms"),
            (17_000_000, "17s"),
            (360_000_000, "6m0s"),
            (7_205_000_000, "2h0m5s"),
        ] {
            assert_eq!(duration(micros), text);
        }
    }

    #[test]
    fn the_tightest_limit_is_told_and_no_money() {
        let mut standings = Standings::default();
        let standing = |left| Standing {
            max: 10,
            left,
            reset_us: 1_000_000,
        };
        for (unit, left) in [
            (Unit::Requests, 7),
            (Unit::Requests, 3),
            (Unit::Requests, 5),
            (Unit::Usd, 1),
        ] {
            standings.note(unit, standing(left));
        }
        let told = standings.headers();
        assert_eq!(told.len(), 3);
        assert_eq!(told[1], ("x-ratelimit-remaining-requests", "3".to_owned()));
    }
}
