//! How much memory the gateway may use: what its container has, else a share of the machine's.

use std::{fs, path::Path};

/// Used where nothing limits: more would be taken from everything else on the machine.
const DEFAULT_BYTES: u64 = 2 << 30;
/// A container's limit ends the process; a tenth stays free for the kernel's own buffers and for `kt`.
const USED_TENTHS: u64 = 9;

/// What the gateway may use, in bytes.
pub(super) fn budget() -> u64 {
    of_system(Path::new("/"))
}

fn of_system(root: &Path) -> u64 {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let limit = cgroup_limit(&read);
    let machine = read("proc/meminfo").and_then(|text| total_memory(&text));
    match (limit, machine) {
        // A limit above what the machine has is none.
        (Some(limit), machine) if machine.is_none_or(|machine| limit < machine) => {
            limit / 10 * USED_TENTHS
        }
        (_, Some(machine)) => DEFAULT_BYTES.min(machine / 2),
        (_, None) => DEFAULT_BYTES,
    }
}

/// The smallest limit of the control groups that this process is in (cgroups(7)).
fn cgroup_limit(read: &impl Fn(&str) -> Option<String>) -> Option<u64> {
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (mount, file) = if controllers.is_empty() {
            ("sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        // Inside a container the group's path may be the host's, and its own files lie at the mount. A limit of a
        // parent holds too.
        let mut group = group.trim_matches('/');
        loop {
            let path = if group.is_empty() {
                format!("{mount}/{file}")
            } else {
                format!("{mount}/{group}/{file}")
            };
            limits.extend(read(&path).and_then(|text| text.trim().parse::<u64>().ok()));
            if group.is_empty() {
                break;
            }
            group = group.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
    limits.into_iter().min()
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const MIB: u64 = 1 << 20;
    const MACHINE: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
    );

    /// A file system with these files.
    fn system(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("kt-memory-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn budget_of(name: &str, files: &[(&str, &str)]) -> u64 {
        let root = system(name, files);
        let budget = of_system(&root);
        fs::remove_dir_all(root).unwrap();
        budget
    }

    #[test]
    fn a_limit_of_cgroup_2_counts() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
        ];
        assert_eq!(budget_of("v2", &files), 1024 * MIB / 10 * 9);
    }

    #[test]
    fn the_smallest_limit_above_counts() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "0::/user.slice/app.service\n"),
            ("sys/fs/cgroup/user.slice/app.service/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "536870912\n"),
        ];
        assert_eq!(budget_of("parent", &files), 512 * MIB / 10 * 9);
    }

    #[test]
    fn a_limit_of_cgroup_1_counts() {
        let files = [
            MACHINE,
            (
                "proc/self/cgroup",
                "5:cpu,cpuacct:/x\n4:memory:/docker/0123\n0::/\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "805306368\n"),
        ];
        assert_eq!(budget_of("v1", &files), 768 * MIB / 10 * 9);
    }

    #[test]
    fn without_a_limit_there_is_a_default() {
        let unlimited = [
            MACHINE,
            ("proc/self/cgroup", "4:memory:/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(budget_of("none", &unlimited), DEFAULT_BYTES);
        let small = [("proc/meminfo", "MemTotal:       1024000 kB\n")];
        assert_eq!(budget_of("small", &small), 512_000 * 1024);
        assert_eq!(budget_of("unknown", &[("x", "")]), DEFAULT_BYTES);
    }
}
