//! Checks of the repository itself.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// README, ARCHITECTURE and every file of `docs`.
fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "md")
        {
            found.push(format!("docs/{name}"));
        }
    }
    found
}

/// Every path that a document names in backquotes exists.
#[test]
fn documents_name_existing_paths() {
    let roots = [
        "src/",
        "tests/",
        "policy-configs/",
        "envoy/",
        "tools/",
        "requirements/",
        "docs/",
        ".ci/",
    ];
    let mut missing = BTreeSet::new();
    for document in documents() {
        let text = read(&document);
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted
                .split([' ', '\n', ':', '#'])
                .next()
                .unwrap_or_default();
            let is_path =
                roots.iter().any(|root| path.starts_with(root)) && !path.contains(['*', '<', '…']);
            if is_path && !root().join(path).exists() {
                missing.insert(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every `make` target that a document names exists.
#[test]
fn documents_name_existing_targets() {
    let makefile = read("Makefile");
    for document in documents() {
        let text = read(&document);
        for quoted in text.split('`').skip(1).step_by(2) {
            if let Some(target) = quoted
                .strip_prefix("make ")
                .and_then(|rest| rest.split_whitespace().next())
            {
                assert!(
                    makefile.contains(&format!("\n{target}:")),
                    "{document}: make {target}"
                );
            }
        }
    }
}

/// Every link of a document to another file, and to a heading of it, leads somewhere.
#[test]
fn documents_link_to_what_exists() {
    let mut broken = BTreeSet::new();
    for document in documents() {
        let text = read(&document);
        let folder = root().join(&document).parent().unwrap().to_owned();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() {
                root().join(&document)
            } else {
                folder.join(path)
            };
            let is_there = file.exists()
                && (heading.is_empty()
                    || headings(&fs::read_to_string(&file).unwrap_or_default()).contains(heading));
            if !is_there {
                broken.insert(format!("{document}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The names that headings can be linked by: lower case, words joined by hyphens, other marks left out.
fn headings(markdown: &str) -> BTreeSet<String> {
    markdown
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect()
        })
        .collect()
}

/// Every source file that a comment names in backquotes exists: by its path, or by the end of one.
#[test]
fn comments_name_existing_files() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests"), &mut files);
    files.retain(|file| !file.to_string_lossy().contains("node_modules"));
    let known: Vec<String> = files
        .iter()
        .map(|file| format!("/{}", file.strip_prefix(root()).unwrap().display()))
        .collect();
    let mut missing = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for comment in text
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with("//"))
        {
            for quoted in comment.split('`').skip(1).step_by(2) {
                let is_source = Path::new(quoted)
                    .extension()
                    .is_some_and(|extension| extension == "rs")
                    && !quoted.contains([' ', '<', '*', '{']);
                if is_source
                    && !known
                        .iter()
                        .any(|path| path.ends_with(&format!("/{quoted}")))
                {
                    missing.insert(format!("{}: {quoted}", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The checked-in configuration is what the generator writes today.
#[test]
fn checked_in_envoy_config_is_fresh() {
    let (gateway, _) = kt_config::load(&read("policy-configs/together.yaml")).unwrap();
    let yaml = kt_envoy_gen::bootstrap_yaml(&gateway, &kt_envoy_gen::Options::default());
    assert!(
        read("envoy/envoy.yaml") == yaml,
        "envoy/envoy.yaml is stale; run `make golden`"
    );
}

/// Calls into Envoy stand in one file, and the SDK's own, which panic, are not used.
#[test]
fn host_calls_are_in_one_file() {
    let mut files = Vec::new();
    sources(&root().join("src/filter"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let in_ffi = file.ends_with("ffi.rs");
        let sdk_calls = text.matches("hostcalls").count();
        // The SDK hands on answers to its own calls only.
        let sends_calls = in_ffi && text.contains("hostcalls::dispatch_http_call;");
        assert!(
            sdk_calls == usize::from(sends_calls),
            "{} uses the SDK's host calls",
            file.display()
        );
        assert!(
            in_ffi || !text.contains("extern \"C\""),
            "{} calls the host",
            file.display()
        );
    }
}

/// The engine reads no clock, file, environment or randomness.
#[test]
fn the_engine_does_no_io() {
    let mut files = Vec::new();
    sources(&root().join("src/text/src"), &mut files);
    sources(&root().join("src/policy/src"), &mut files);
    sources(&root().join("src/routing/src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for banned in [
            "std::fs",
            "std::env",
            "std::net::Tcp",
            "std::net::Udp",
            "SystemTime",
            "Instant",
            "RandomState",
            "HashMap",
        ] {
            assert!(!text.contains(banned), "{} uses {banned}", file.display());
        }
    }
}
