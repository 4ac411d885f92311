//! Faults on request: a header asks for a panic or an internal failure at one place. Only the module of the panic drill
//! has this (`tests/e2e/test_fail_mode.py`).

use crate::host::{self, Headers, HostError};

/// Does what the client asks for at `place`.
#[expect(clippy::panic, reason = "the drill is about panics")]
pub(crate) fn at(place: &str) -> Result<(), HostError> {
    match host::header(Headers::Request, "x-kt-drill") {
        Some(asked) if asked == format!("panic {place}") => panic!("drill"),
        Some(asked) if asked == format!("fault {place}") => Err(HostError),
        _ => Ok(()),
    }
}
