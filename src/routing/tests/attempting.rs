//! Attempts in simulated time: what each input leads to, what is told of it, and what is known afterwards.

#![expect(
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tables are long, and a test fails by panicking"
)]

use std::collections::BTreeMap;

use kt_routing::{
    Answer, Around, Attempting, CircuitBreaker, Details, Direct, Failure, NoAnswer, Opened, Plan,
    QualityFailure, Retry, Routing, Shared, Step, Strategy, TargetState, Trail,
};

const SECOND: u64 = 1_000_000;

/// What all workers know, and the time.
#[derive(Default)]
struct World {
    states: BTreeMap<String, TargetState>,
    trails: BTreeMap<String, Trail>,
    forgotten_us: u64,
    /// Whether nothing can be changed.
    is_frozen: bool,
}

impl Shared for World {
    fn targets(&self) -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    fn state(&self, target: &str) -> TargetState {
        self.states.get(target).cloned().unwrap_or_default()
    }

    fn change(&mut self, target: &str, change: &mut dyn FnMut(&mut TargetState)) -> bool {
        if self.is_frozen {
            return false;
        }
        // Another worker was faster: what was done first does not count.
        change(&mut self.state(target));
        change(self.states.entry(target.to_owned()).or_default());
        true
    }

    fn forget_before(&mut self, at_us: u64) {
        self.forgotten_us = at_us;
    }

    fn trail(&self, exchange: &str) -> Trail {
        self.trails.get(exchange).cloned().unwrap_or_default()
    }

    fn keep(&mut self, exchange: &str, trail: &Trail) {
        self.trails.insert(exchange.to_owned(), trail.clone());
    }
}

/// One exchange, and how its attempts are told what happens.
struct Drill {
    routing: Routing,
    world: World,
    now_us: u64,
    plan: Plan,
    attempting: Option<Attempting>,
}

impl Drill {
    fn new(routing: Routing) -> Self {
        Self {
            routing,
            world: World::default(),
            now_us: 1000 * SECOND,
            plan: Plan {
                target_id: "a".into(),
                timeout_ms: 30_000,
                first_token_ms: 5000,
                exchange: "x".into(),
                seed: 7,
                is_stream: false,
                fits_request: false,
                judges: false,
            },
            attempting: None,
        }
    }

    fn stream(mut self) -> Self {
        self.plan.is_stream = true;
        self
    }

    fn begin(&mut self, target: &str) -> Step {
        self.plan.target_id = target.into();
        let is_first = !self.world.trails.contains_key("x");
        let mut around = Around {
            routing: &self.routing,
            shared: &mut self.world,
            now_us: self.now_us,
        };
        let (attempting, step) = Attempting::begin(self.plan.clone(), is_first, &mut around);
        self.attempting = Some(attempting);
        step
    }

    fn tell<T>(&mut self, what: impl FnOnce(&mut Attempting, &mut Around<'_>) -> T) -> T {
        let mut around = Around {
            routing: &self.routing,
            shared: &mut self.world,
            now_us: self.now_us,
        };
        what(self.attempting.as_mut().unwrap(), &mut around)
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        self.now_us += millis * 1000;
        self
    }

    fn answered(&mut self, status: u16) -> Step {
        let answer = Answer::good(status, false, self.plan.is_stream);
        self.tell(|attempting, around| attempting.answered(&answer, around))
    }

    fn came(&mut self, opened: Opened, end: bool) -> Step {
        self.tell(|attempting, around| attempting.came(opened, end, around))
    }

    fn woken(&mut self) -> Step {
        self.tell(Attempting::woken)
    }

    fn ended(&mut self, words: &str) {
        self.tell(|attempting, around| {
            attempting.ended(Details::of(Some(words)), words, around);
        });
    }

    /// In how many milliseconds it wants to be woken.
    fn wakes_in(&self) -> Option<u64> {
        let wakes_us = self.attempting.as_ref().unwrap().wakes_us()?;
        Some((wakes_us - self.now_us) / 1000)
    }

    /// Status, latency, failure and error of the last attempt.
    fn last(&self) -> (Option<u16>, u64, Option<Failure>, String) {
        let last = self.world.trail("x").attempts.pop().unwrap();
        let error = last.error.unwrap_or_default();
        (last.status, last.latency_ms, last.failure, error)
    }

    /// Attempts, successes and failures of a target.
    fn counts(&self, target: &str) -> (u64, u64, u64) {
        let state = self.world.state(target);
        (state.attempts, state.successes, state.failures.iter().sum())
    }
}

fn fallback() -> Routing {
    Routing::new(Strategy::Fallback)
}

fn retry(max_attempts: u32) -> Routing {
    Routing {
        retry: Retry {
            max_attempts,
            ..Retry::default_policy()
        },
        ..fallback()
    }
}

fn breaker(failure_threshold: u32) -> Routing {
    Routing {
        circuit_breaker: Some(CircuitBreaker {
            failure_threshold,
            recovery_timeout_seconds: 10,
            half_open_max_requests: 1,
        }),
        ..fallback()
    }
}

fn fails(failure: Failure, fails_over: bool) -> Step {
    Step::Answer {
        reason: NoAnswer::Failed(failure),
        fails_over,
        retry_after_s: None,
    }
}

#[test]
fn an_answer_passes_when_it_is_one() {
    let mut drill = Drill::new(fallback());
    assert_eq!(drill.begin("a"), Step::Pass);
    assert_eq!(drill.after(120).answered(200), Step::Hold);
    assert_eq!(drill.wakes_in(), None);
    assert_eq!(drill.came(Opened::Nothing, false), Step::Hold);
    assert_eq!(drill.after(30).came(Opened::Answer, true), Step::Pass);
    assert_eq!(drill.last(), (Some(200), 150, None, String::new()));
    assert!(drill.world.trail("x").is_complete);
    drill.ended("via_upstream");
    assert_eq!(drill.counts("a"), (1, 1, 0));
}

#[test]
fn a_stream_is_complete_at_its_end_only() {
    let mut drill = Drill::new(fallback()).stream();
    drill.begin("a");
    assert_eq!(drill.after(100).answered(200), Step::Hold);
    assert_eq!(
        drill.wakes_in(),
        Some(4900),
        "from the start of the attempt"
    );
    assert_eq!(drill.after(200).came(Opened::Nothing, false), Step::Hold);
    assert_eq!(drill.came(Opened::Answer, false), Step::Pass);
    assert_eq!(drill.wakes_in(), None);
    assert!(!drill.world.trail("x").is_complete);
    assert_eq!(drill.came(Opened::Nothing, false), Step::Pass);
    assert_eq!(drill.came(Opened::Nothing, true), Step::Pass);
    assert!(drill.world.trail("x").is_complete);
    assert_eq!(drill.last(), (Some(200), 300, None, String::new()));
}

#[test]
fn a_stream_that_breaks_has_failed_however_it_broke() {
    for (words, failure) in [
        (
            "upstream_reset_after_response_started{connection_termination}",
            Failure::Connection,
        ),
        ("stream_idle_timeout", Failure::Timeout),
        ("", Failure::Connection),
    ] {
        let mut drill = Drill::new(fallback()).stream();
        drill.begin("a");
        drill.after(100).answered(200);
        drill.came(Opened::Answer, false);
        drill.after(900).ended(words);
        assert_eq!(drill.last(), (Some(200), 100, Some(failure), words.into()));
        assert_eq!(drill.counts("a"), (1, 1, 1));
    }
    // The client's end is none of the target's.
    let mut drill = Drill::new(fallback()).stream();
    drill.begin("a");
    drill.answered(200);
    drill.came(Opened::Answer, false);
    drill.ended("downstream_remote_disconnect");
    assert_eq!(drill.last(), (Some(200), 0, None, String::new()));
    let mut drill = Drill::new(breaker(1));
    drill.begin("a");
    drill.ended("downstream_local_disconnect");
    assert_eq!(drill.counts("a"), (1, 0, 0));
}

#[test]
fn what_takes_the_place_of_an_answer_is_a_failure() {
    type Case = (bool, fn(&mut Drill) -> Step, Failure, &'static str);
    let cases: [Case; 6] = [
        (
            true,
            |drill| drill.came(Opened::Error, false),
            Failure::ServerError,
            "error in place of a stream",
        ),
        (
            false,
            |drill| drill.came(Opened::Error, true),
            Failure::ServerError,
            "error in place of an answer",
        ),
        (
            true,
            |drill| drill.came(Opened::Nothing, true),
            Failure::Connection,
            "the stream ended before its first token",
        ),
        (
            false,
            |drill| drill.came(Opened::Nothing, true),
            Failure::Connection,
            "the answer is empty",
        ),
        (
            true,
            |drill| drill.after(4000).woken(),
            Failure::Timeout,
            "no first token in time",
        ),
        (
            false,
            |drill| drill.after(4000).woken(),
            Failure::Timeout,
            "no first token in time",
        ),
    ];
    for (is_stream, what, failure, words) in cases {
        let mut drill = Drill::new(fallback());
        drill.plan.is_stream = is_stream;
        drill.begin("a");
        drill.after(1000).answered(200);
        assert_eq!(what(&mut drill), fails(failure, true), "{words}");
        let (status, _, seen, error) = drill.last();
        assert_eq!(
            (status, seen, error.as_str()),
            (Some(200), Some(failure), words)
        );
        assert_eq!(drill.counts("a"), (1, 0, 1));
        // Nothing more is said, whatever comes.
        assert_eq!(drill.came(Opened::Answer, true), Step::Pass);
        drill.ended("via_upstream");
        assert_eq!(drill.counts("a"), (1, 0, 1));
    }
    let mut drill = Drill::new(fallback());
    drill.begin("a");
    let empty = Answer::good(204, true, false);
    let step = drill.tell(|attempting, around| attempting.answered(&empty, around));
    let mark = Step::Mark {
        failure: Some(Failure::Connection),
        fails_over: true,
    };
    assert_eq!(step, mark);
    assert_eq!(drill.last().3, "the answer is empty");
}

#[test]
fn statuses_and_envoys_own_answers_are_told_apart() {
    type Case = (
        u16,
        Option<&'static str>,
        Option<Failure>,
        bool,
        &'static str,
    );
    let cases: [Case; 8] = [
        (500, None, Some(Failure::ServerError), true, "answered 500"),
        (
            503,
            Some("via_upstream"),
            Some(Failure::ServerError),
            true,
            "answered 503",
        ),
        (429, None, Some(Failure::RateLimit), true, "answered 429"),
        (302, None, Some(Failure::ServerError), true, "answered 302"),
        (404, None, None, false, ""),
        (
            503,
            Some("upstream_reset_before_response_started{connection_failure}"),
            Some(Failure::Connection),
            true,
            "upstream_reset_before_response_started{connection_failure}",
        ),
        (
            504,
            Some("upstream_response_timeout"),
            Some(Failure::Timeout),
            true,
            "upstream_response_timeout",
        ),
        (
            503,
            Some("no_healthy_upstream"),
            Some(Failure::Connection),
            true,
            "no_healthy_upstream",
        ),
    ];
    for (status, details, failure, fails_over, words) in cases {
        let mut drill = Drill::new(fallback());
        drill.begin("a");
        let answer = Answer {
            details: Details::of(details),
            words: details.unwrap_or_default(),
            ..Answer::good(status, false, false)
        };
        let step = drill
            .after(40)
            .tell(|attempting, around| attempting.answered(&answer, around));
        let is_own = answer.details.is_own();
        let expected = match failure {
            None => Step::Pass,
            Some(_) => Step::Mark {
                failure: failure.filter(|_| is_own),
                fails_over,
            },
        };
        assert_eq!(step, expected, "{status} {details:?}");
        let seen = (!is_own).then_some(status);
        assert_eq!(
            drill.last(),
            (seen, 40, failure, words.into()),
            "{status} {details:?}"
        );
        assert_eq!(
            drill.counts("a"),
            (
                1,
                u64::from(failure.is_none()),
                u64::from(failure.is_some())
            )
        );
    }
}

#[test]
fn the_same_target_is_asked_again_after_the_back_off() {
    let mut drill = Drill::new(retry(3));
    assert_eq!(drill.begin("a"), Step::Pass);
    assert_eq!(
        drill.after(10).answered(500),
        Step::Mark {
            failure: None,
            fails_over: true
        }
    );
    let mut waits = Vec::new();
    for _ in 0..2 {
        assert_eq!(drill.begin("a"), Step::Hold);
        let wait = drill.wakes_in().unwrap();
        waits.push(wait);
        // The request comes while it waits.
        assert_eq!(
            drill.tell(|attempting, _| attempting.requested(true)),
            Step::Hold
        );
        assert_eq!(drill.after(wait).woken(), Step::Send);
        assert_eq!(drill.wakes_in(), None);
        assert_eq!(
            drill.after(10).answered(500),
            Step::Mark {
                failure: None,
                fails_over: true
            }
        );
    }
    assert!(
        (125..=250).contains(&waits[0]) && waits[1] > waits[0],
        "{waits:?}"
    );
    // That was the last one there.
    let skip = Step::Answer {
        reason: NoAnswer::Unavailable,
        fails_over: true,
        retry_after_s: None,
    };
    assert_eq!(drill.begin("a"), skip);
    assert_eq!(drill.begin("b"), Step::Pass);
    assert_eq!(
        drill.answered(500),
        Step::Mark {
            failure: None,
            fails_over: true
        }
    );
    let attempts = drill.world.trail("x").attempts.into_iter();
    let tried: Vec<String> = attempts.map(|attempt| attempt.target_id).collect();
    assert_eq!(tried, ["a", "a", "a", "b"]);
}

#[test]
fn retry_after_is_waited_for_where_there_is_nowhere_else() {
    let limited = |drill: &mut Drill| {
        let answer = Answer {
            retry_after_ms: Some(1500),
            ..Answer::good(429, false, false)
        };
        drill.tell(|attempting, around| attempting.answered(&answer, around))
    };
    let mut drill = Drill::new(retry(2));
    drill.begin("a");
    limited(&mut drill);
    let skip = Step::Answer {
        reason: NoAnswer::Unavailable,
        fails_over: true,
        retry_after_s: None,
    };
    assert_eq!(drill.begin("a"), skip, "the other one can take it");
    let mut drill = Drill::new(retry(2));
    let other = drill.world.states.entry("b".into()).or_default();
    for _ in 0..2 {
        other.health.report(false);
    }
    drill.begin("a");
    limited(&mut drill);
    assert_eq!(drill.begin("a"), Step::Hold);
    assert_eq!(drill.wakes_in(), Some(1500));
}

#[test]
fn a_request_that_is_fitted_is_held_until_it_is_complete() {
    let mut drill = Drill::new(retry(2));
    drill.plan.fits_request = true;
    assert_eq!(drill.begin("a"), Step::Hold);
    for (end, wants, step) in [(false, false, Step::Hold), (true, true, Step::Pass)] {
        let wanted = drill.tell(|attempting, _| attempting.wants_request(end));
        assert_eq!(wanted, wants);
        assert_eq!(drill.tell(|attempting, _| attempting.requested(end)), step);
    }
    drill.answered(500);
    // Woken before the request is complete, it is sent with it.
    drill.begin("a");
    let wait = drill.wakes_in().unwrap();
    assert_eq!(drill.after(wait).woken(), Step::Hold);
    assert_eq!(
        drill.tell(|attempting, _| attempting.requested(true)),
        Step::Pass
    );
}

#[test]
fn a_breaker_that_is_open_lets_nothing_through_until_its_time() {
    let mut drill = Drill::new(breaker(2));
    let fail = |drill: &mut Drill| {
        drill.world.trails.clear();
        let step = drill.begin("a");
        drill.answered(500);
        step
    };
    assert_eq!(fail(&mut drill), Step::Pass);
    assert_eq!(fail(&mut drill), Step::Pass);
    let unavailable = |seconds| Step::Answer {
        reason: NoAnswer::Unavailable,
        fails_over: true,
        retry_after_s: Some(seconds),
    };
    assert_eq!(fail(&mut drill), unavailable(10));
    assert_eq!(
        drill.counts("a"),
        (2, 0, 2),
        "what was not let through is no attempt"
    );
    drill.after(8500);
    assert_eq!(fail(&mut drill), unavailable(2));
    // One may try; while it does, nobody else.
    drill.after(1500).world.trails.clear();
    assert_eq!(drill.begin("a"), Step::Pass);
    let (probe, now_us) = (drill.attempting.take().unwrap(), drill.now_us);
    drill.world.trails.clear();
    assert!(matches!(
        drill.begin("a"),
        Step::Answer {
            reason: NoAnswer::Unavailable,
            ..
        }
    ));
    drill.attempting = Some(probe);
    drill.now_us = now_us;
    drill.answered(200);
    assert_eq!(drill.came(Opened::Answer, true), Step::Pass);
    drill.world.trails.clear();
    assert_eq!(drill.begin("a"), Step::Pass);
}

#[test]
fn where_nothing_can_be_known_nothing_is_sent() {
    let mut drill = Drill::new(fallback());
    drill.world.is_frozen = true;
    let refused = Step::Answer {
        reason: NoAnswer::Engine,
        fails_over: false,
        retry_after_s: None,
    };
    assert_eq!(drill.begin("a"), refused);
    assert_eq!(
        drill.tell(|attempting, _| attempting.requested(true)),
        Step::Pass
    );
}

#[test]
fn when_no_attempt_may_follow_the_last_failure_stands() {
    let mut routing = fallback();
    routing.fallback.triggers = vec![Failure::Timeout];
    let mut drill = Drill::new(routing);
    drill.begin("a");
    assert_eq!(
        drill.answered(429),
        Step::Mark {
            failure: None,
            fails_over: false
        }
    );
    assert_eq!(drill.begin("b"), fails(Failure::RateLimit, false));
}

#[test]
fn an_answer_that_is_too_bad_is_asked_for_again() {
    for (quality, begins) in [
        (QualityFailure::Retry, "a"),
        (QualityFailure::Fallback, "b"),
    ] {
        let mut drill = Drill::new(Routing {
            quality: Some(quality),
            ..fallback()
        });
        drill.plan.judges = true;
        drill.begin("a");
        drill.answered(200);
        assert_eq!(drill.came(Opened::Answer, false), Step::Hold);
        assert_eq!(drill.came(Opened::Nothing, false), Step::Hold);
        assert_eq!(drill.came(Opened::Nothing, true), Step::Grade);
        let step = drill.tell(|attempting, around| attempting.graded(Some(0.251), around));
        assert_eq!(step, fails(Failure::Quality, true));
        assert_eq!(drill.last().3, "the answer scored 0.25");
        // The second one passes as it is, whatever it is worth.
        assert_eq!(drill.begin(begins), Step::Pass);
        drill.answered(200);
        assert_eq!(drill.came(Opened::Answer, true), Step::Grade);
        let step = drill.tell(|attempting, around| attempting.graded(Some(0.2), around));
        assert_eq!(step, Step::Pass, "{quality:?}");
        assert_eq!(
            drill.counts("a").2 + drill.counts("b").2,
            0,
            "no failure of a target"
        );
    }
    let mut drill = Drill::new(fallback());
    drill.plan.judges = true;
    drill.begin("a");
    drill.answered(200);
    drill.came(Opened::Answer, true);
    assert_eq!(
        drill.tell(|attempting, around| attempting.graded(None, around)),
        Step::Pass
    );
}

#[test]
fn an_answer_with_trailers_is_complete() {
    let mut drill = Drill::new(fallback()).stream();
    drill.begin("a");
    drill.answered(200);
    assert_eq!(drill.tell(Attempting::trailed), Step::Pass);
    assert!(drill.world.trail("x").is_complete);
    assert_eq!(drill.wakes_in(), None);
    drill.ended("via_upstream");
    assert_eq!(drill.counts("a"), (1, 1, 0));
}

#[test]
fn an_attempt_past_the_filter_is_counted_from_its_ends() {
    type Case<'c> = (
        Direct<'c>,
        Option<Failure>,
        Option<&'c str>,
        (u64, u64, u64),
    );
    let base = Direct {
        target_id: "a",
        started_us: 2 * SECOND,
        answered: Some((3 * SECOND, 200)),
        in_place: None,
        is_finished: true,
        details: Details::Unsaid,
        words: "",
    };
    let cut = |words: &'static str| Direct {
        is_finished: false,
        details: Details::of(Some(words)),
        words,
        ..base
    };
    let unanswered = |words| Direct {
        answered: None,
        ..cut(words)
    };
    let cases: [Case<'_>; 9] = [
        (base, None, None, (1, 1, 0)),
        (
            Direct {
                answered: Some((3 * SECOND, 503)),
                ..base
            },
            Some(Failure::ServerError),
            Some("answered 503"),
            (1, 0, 1),
        ),
        (
            Direct {
                answered: Some((3 * SECOND, 404)),
                ..base
            },
            None,
            None,
            (1, 1, 0),
        ),
        (
            Direct {
                in_place: Some(Failure::Connection),
                ..base
            },
            Some(Failure::Connection),
            Some("the answer is empty"),
            (1, 0, 1),
        ),
        (
            Direct {
                in_place: Some(Failure::ServerError),
                ..base
            },
            Some(Failure::ServerError),
            Some("error in place of an answer"),
            (1, 0, 1),
        ),
        (cut("via_upstream"), None, None, (1, 1, 0)),
        (
            cut("stream_idle_timeout"),
            Some(Failure::Timeout),
            Some("stream_idle_timeout"),
            (1, 0, 1),
        ),
        (
            unanswered("upstream_max_stream_duration_reached"),
            Some(Failure::Timeout),
            Some("upstream_max_stream_duration_reached"),
            (1, 0, 1),
        ),
        (
            unanswered("downstream_remote_disconnect"),
            Some(Failure::Connection),
            Some("downstream_remote_disconnect"),
            (1, 0, 0),
        ),
    ];
    for (direct, failure, error, counts) in cases {
        let mut world = World::default();
        let routing = fallback();
        let mut around = Around {
            routing: &routing,
            shared: &mut world,
            now_us: 6 * SECOND,
        };
        let attempt = direct.settle(&mut around);
        assert_eq!(
            (attempt.failure, attempt.error.as_deref()),
            (failure, error),
            "{direct:?}"
        );
        let latency_ms = if direct.answered.is_some() {
            1000
        } else {
            4000
        };
        assert_eq!(attempt.latency_ms, latency_ms);
        let state = world.state("a");
        let failures: u64 = state.failures.iter().sum();
        assert_eq!(
            (state.attempts, state.successes, failures),
            counts,
            "{direct:?}"
        );
    }
}
