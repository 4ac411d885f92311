//! What passes for an answer, and when it is complete.

use kt_routing::{
    Answer, Attempting, Details, Failure, Opened, QualityFailure, Routing, Shared, Step,
};

use super::{Drill, breaker, fails, fallback};

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
        let step = drill
            .tell(|attempting, around| attempting.graded(Some(0.251), Default::default, around));
        assert_eq!(step, fails(Failure::Quality, true));
        assert_eq!(drill.last().3, "the answer scored 0.25");
        // The second one passes as it is, whatever it is worth.
        assert_eq!(drill.begin(begins), Step::Pass);
        drill.answered(200);
        assert_eq!(drill.came(Opened::Answer, true), Step::Grade);
        let step =
            drill.tell(|attempting, around| attempting.graded(Some(0.2), Default::default, around));
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
        drill.tell(|attempting, around| attempting.graded(None, Default::default, around)),
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
