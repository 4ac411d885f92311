//! What an Envoy can do: asked before it is started, and after it could not be.

use std::{path::Path, process::Command};

use crate::Failure;

/// The first version with composite clusters, an allow list of the admin interface and the flag for events on disk.
const OLDEST: (u32, u32) = (1, 37);

const REMEDY: &str = "hint: `make build` fetches one that can; or name another with --envoy PATH or ENVOY_BIN (docs/mesh.md has the table)";

/// Refuses an Envoy that is too old, by its own words. One that says nothing of the kind is tried.
pub(super) fn check_version(binary: &Path) -> Result<(), Failure> {
    let said = Command::new(binary).arg("--version").output();
    let words = said.map_or_else(
        |_| String::new(),
        |said| String::from_utf8_lossy(&said.stdout).into_owned(),
    );
    match version(&words) {
        Some(found) if found < OLDEST => Err(Failure::problem(format!(
            "error: {} is Envoy {}.{}; {}.{} or newer is needed, for composite clusters and events that are on disk at once\n{REMEDY}",
            binary.display(),
            found.0,
            found.1,
            OLDEST.0,
            OLDEST.1
        ))),
        _ => Ok(()),
    }
}

/// The version in `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn version(words: &str) -> Option<(u32, u32)> {
    let (_, said) = words.split_once("version: ")?;
    let mut numbers = said.split('/').nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Why an Envoy that never served cannot, where it is something that it was built without.
pub(super) fn missing(binary: &Path, bootstrap: &str) -> Option<String> {
    let tried = Command::new(binary)
        .args([
            "--mode",
            "validate",
            "--log-level",
            "warning",
            "-c",
            bootstrap,
        ])
        .output()
        .ok()?;
    let part = absent_part(&String::from_utf8_lossy(&tried.stderr))?;
    Some(format!(
        "error: {} was built without {part}\n{REMEDY}",
        binary.display()
    ))
}

/// The part that Envoy says it has not.
fn absent_part(messages: &str) -> Option<&'static str> {
    let has = |words: &str| messages.contains(words);
    if has("compiled without support for it") {
        return Some("V8, which runs the filter");
    }
    let unknown = has("Didn't find a registered implementation") || has("could not find @type");
    (unknown && has("composite"))
        .then_some("composite clusters")
        .or_else(|| (unknown && has("wasm")).then_some("WebAssembly, which the filter is"))
        .or_else(|| unknown.then_some("an extension that its messages above name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_envoy_says_them() {
        let words = "\n/opt/envoy  version: bad8280d/1.36.4/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(version(words), Some((1, 36)));
        assert_eq!(
            version("x version: c/1.41.0-dev/Modified/RELEASE/BoringSSL"),
            Some((1, 41))
        );
        assert_eq!(version("usage: something else"), None);
    }

    #[test]
    fn what_is_absent_is_named() {
        let v8 = "Failed to create Wasm VM using envoy.wasm.runtime.v8 runtime. Envoy was compiled without support for it";
        assert_eq!(absent_part(v8), Some("V8, which runs the filter"));
        let composite = "Didn't find a registered implementation for 'envoy.clusters.composite'";
        assert_eq!(absent_part(composite), Some("composite clusters"));
        assert_eq!(
            absent_part("cannot bind '0.0.0.0:41002': Address already in use"),
            None
        );
    }
}
