//! Whether events can be written, by what Envoy counts of its files.

/// What Envoy says of its writes, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogState {
    completed: u64,
    failed: u64,
    is_broken: bool,
}

/// Envoy's own admin interface.
pub const ADMIN_CLUSTER: &str = "kt_admin";
/// Where Envoy's admin interface counts writes to files, of which there are none but events.
pub const WRITES: &str = "/stats?filter=filesystem.write_";

impl LogState {
    /// Takes Envoy's statistics, lines of `name: number`. A write that failed breaks the log until one succeeds and none
    /// fails beside it; an answer without the numbers says nothing.
    pub fn take(&mut self, statistics: &str) {
        let count = |name: &str| {
            let mut lines = statistics.lines();
            lines.find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(": ")?
                    .trim()
                    .parse()
                    .ok()
            })
        };
        let completed = count("filesystem.write_completed");
        let failed = count("filesystem.write_failed");
        let (Some(completed), Some(failed)) = (completed, failed) else {
            return;
        };
        if failed > self.failed {
            self.is_broken = true;
        } else if completed > self.completed {
            self.is_broken = false;
        }
        (self.completed, self.failed) = (completed, failed);
    }

    /// Whether what happens now would leave no event.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_breaks_the_log_until_one_succeeds() {
        let mut log = LogState::default();
        for (completed, failed, is_broken) in [
            (3, 0, false),
            (3, 0, false),
            (4, 1, true),
            (4, 1, true),
            (5, 2, true),
            (5, 3, true),
            (6, 3, false),
            (6, 3, false),
        ] {
            log.take(&format!(
                "filesystem.write_buffered: 9\nfilesystem.write_completed: {completed}\nfilesystem.write_failed: {failed}\n"
            ));
            assert_eq!(log.is_broken(), is_broken, "{completed} {failed}");
        }
    }

    #[test]
    fn what_says_nothing_changes_nothing() {
        let mut log = LogState::default();
        log.take("filesystem.write_completed: 1\nfilesystem.write_failed: 1\n");
        for text in [
            "",
            "403",
            "filesystem.write_failed: 1",
            "filesystem.write_completed: x\nfilesystem.write_failed: 1",
        ] {
            log.take(text);
            assert!(log.is_broken(), "{text}");
        }
    }
}
