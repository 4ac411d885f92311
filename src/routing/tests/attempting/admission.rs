//! Which attempt is made, and when.

use kt_routing::{Answer, Around, Details, Direct, Failure, NoAnswer, Opened, Shared, Step};

use super::{Drill, SECOND, World, breaker, fails, fallback, retry};

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
