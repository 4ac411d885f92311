//! Attempts in simulated time: what each input leads to, what is told of it, and what is known afterwards.

#![expect(
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tables are long, and a test fails by panicking"
)]

mod admission;
mod answers;

use std::collections::BTreeMap;

use kt_routing::{
    Answer, Around, Attempting, CircuitBreaker, Details, Failure, NoAnswer, Opened, Plan, Retry,
    Routing, Shared, Step, Strategy, TargetState, Trail,
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
