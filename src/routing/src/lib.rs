//! Which target serves an attempt, and what is known of each target.
//!
//! ```text
//!   request ─► choose::first ──► order of targets
//!                                     │ one entry after the other
//!                                     ▼
//!              Trail::admits ──► TargetState::admit ──► the attempt ──► TargetState::report
//!                    ▲                                      │
//!                    └──────────────── Trail ◄──────────────┘ what was tried, and how it ended
//! ```
//!
//! The crate does no I/O and reads no clock or randomness: both arrive as arguments. States travel as bytes, since all
//! Envoy workers share them through Envoy's shared data.

mod attempting;
mod breaker;
mod bytes;
pub mod choose;
mod config;
mod count;
mod delay;
mod details;
mod health;
mod latency;
mod report;
mod state;
mod trail;

pub use attempting::{Answer, Around, Attempting, Opened, Plan, Shared, Step};
pub use breaker::{Breaker, Phase, Ticket};
pub use config::{
    CircuitBreaker, Failure, Fallback, HealthProbe, Latency, QualityFailure, Retry, Routing,
    Strategy,
};
pub use count::Direct;
pub use delay::retry_after_ms;
pub use details::{Details, NoAnswer, plain_words};
pub use health::Health;
pub use latency::Latencies;
pub use report::TargetReport;
pub use state::{Condition, Ending, TargetState};
pub use trail::{Admission, Attempt, Billed, Next, Trail};
