//! One folder per case under `tests/golden`: `policy-config.yaml` (or, if absent, the file of the same name in
//! `policy-configs`) and what is expected of it, `envoy.yaml` or `diagnostics.txt`; where there is a folder `dynamic`, also
//! that form, and likewise the other forms by their files.  `make golden` writes the expectations again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use expect_test::expect_file;
use kt_config::{KeySource, load};
use kt_envoy_gen::{
    Attach, Dynamic, MeshOptions, Options, bootstrap_yaml, envoy_gateway_yaml, istio_yaml,
    snippet_yaml,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn cases() -> Vec<(String, PathBuf, PathBuf)> {
    let folder = root().join("tests/golden");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let case = |name: String| {
        let own = folder.join(&name).join("policy-config.yaml");
        let source = if own.is_file() {
            own
        } else {
            root().join("policy-configs").join(format!("{name}.yaml"))
        };
        (name.clone(), folder.join(name), source)
    };
    names.into_iter().map(case).collect()
}

#[test]
fn outputs_are_as_expected() {
    for (name, folder, source) in cases() {
        let text = fs::read_to_string(&source)
            .unwrap_or_else(|error| panic!("{name}: {}: {error}", source.display()));
        match load(&text) {
            Ok((gateway, warnings)) => {
                assert_eq!(
                    bootstrap_yaml(&gateway, &Options::default()),
                    bootstrap_yaml(&gateway, &Options::default())
                );
                expect_file![folder.join("envoy.yaml")]
                    .assert_eq(&bootstrap_yaml(&gateway, &Options::default()));
                if !warnings.diagnostics().is_empty() {
                    expect_file![folder.join("diagnostics.txt")]
                        .assert_eq(&warnings.render("policy-config.yaml", &text));
                }
            }
            Err(report) => expect_file![folder.join("diagnostics.txt")]
                .assert_eq(&report.render("policy-config.yaml", &text)),
        }
    }
}

/// Stale after a change to the reader or its words; `make golden` writes it again.
#[test]
fn outputs_include_the_reference() {
    expect_file![root().join("docs/reference.md")].assert_eq(&kt_config::reference());
}

#[test]
fn outputs_of_the_dynamic_form_are_as_expected() {
    let mut seen = 0;
    for (name, folder, source) in cases() {
        let folder = folder.join("dynamic");
        if !folder.is_dir() {
            continue;
        }
        seen += 1;
        let (gateway, _) = load(&fs::read_to_string(&source).unwrap()).unwrap();
        let files = Dynamic::new(&gateway, &Options::default()).files();
        assert_eq!(files, Dynamic::new(&gateway, &Options::default()).files());
        for file in &files {
            expect_file![folder.join(&file.name)].assert_eq(&file.text);
        }
        let there = fs::read_dir(&folder).unwrap().count();
        assert_eq!(there, files.len(), "{name}: a file that nobody generates");
    }
    assert!(seen > 1);
}

/// One target and nothing else that a mesh cannot do.
#[test]
fn outputs_of_the_other_forms_are_as_expected() {
    let folder = root().join("tests/golden/together");
    let source = root().join("policy-configs/together.yaml");
    let (gateway, _) = load(&fs::read_to_string(source).unwrap()).unwrap();
    expect_file![folder.join("snippet.yaml")]
        .assert_eq(&snippet_yaml(&gateway, &Options::default()));
    let options = Options {
        wasm: "oci://registry.example.com/keeptrusts:1".into(),
        sha256: Some("0".repeat(64)),
        ..Options::default()
    };
    let mesh = |attach: &str, istio_version| MeshOptions {
        istio_version,
        attach: attach.parse::<Attach>().unwrap(),
        gateway: "keeptrusts".into(),
    };
    let istio = [
        (
            "gateway:istio=ingressgateway",
            (1, 30),
            "istio-gateway.yaml",
        ),
        ("sidecar:app=chat", (1, 29), "istio-sidecar.yaml"),
        ("waypoint:llm", (1, 30), "istio-waypoint.yaml"),
    ];
    for (attach, version, file) in istio {
        let yaml = istio_yaml(&gateway, &options, &mesh(attach, version)).unwrap();
        expect_file![folder.join(file)].assert_eq(&yaml);
    }
    let yaml =
        envoy_gateway_yaml(&gateway, &options, &mesh("gateway:keeptrusts", (1, 30))).unwrap();
    expect_file![folder.join("envoy-gateway.yaml")].assert_eq(&yaml);
}

#[test]
fn every_example_has_a_case() {
    for entry in fs::read_dir(root().join("policy-configs")).unwrap() {
        let path = entry.unwrap().path();
        let case = root().join("tests/golden").join(path.file_stem().unwrap());
        assert!(
            case.is_dir(),
            "{} has no folder {}",
            path.display(),
            case.display()
        );
    }
}

#[test]
fn envoy_accepts_every_output() {
    let envoy = PathBuf::from(
        env::var_os("ENVOY_BIN").expect("ENVOY_BIN names the Envoy binary; run `make test`"),
    );
    let wasm = root().join("dist/keeptrusts.wasm");
    assert!(
        wasm.is_file(),
        "dist/keeptrusts.wasm is missing; run `make build`"
    );
    let folder = env::temp_dir().join(format!("kt-golden-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (name, _, source) in cases() {
        let Ok((gateway, _)) = load(&fs::read_to_string(&source).unwrap()) else {
            continue;
        };
        for without_filter in [false, true] {
            let event_log = folder.join("events.jsonl").display().to_string();
            let options = Options {
                wasm: wasm.display().to_string(),
                event_log,
                without_filter,
                ..Options::default()
            };
            let file = folder.join(format!("{name}.yaml"));
            // Envoy reads the files with keys.
            let keys = folder.join("keys");
            let here = format!(" {}/", keys.display());
            let yaml = bootstrap_yaml(&gateway, &options).replace(" /run/secrets/", &here);
            fs::write(
                &file,
                yaml.replace(" /run/secrets", here.trim_end_matches('/')),
            )
            .unwrap();
            fs::create_dir_all(&keys).unwrap();
            let mut variables = Vec::new();
            for key in gateway
                .targets
                .iter()
                .filter_map(|target| target.key.as_ref())
            {
                match key {
                    KeySource::Env(name) => variables.push((name, "sk-golden-secret")),
                    KeySource::File(path) => {
                        let name = Path::new(path).file_name().unwrap();
                        fs::write(keys.join(name), "sk-golden-secret\n").unwrap();
                    }
                }
            }
            let output = Command::new(&envoy)
                .args(["--mode", "validate", "-c"])
                .arg(&file)
                .envs(variables)
                .output()
                .unwrap();
            let messages = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {messages}");
            assert!(
                !messages.to_lowercase().contains("deprecated"),
                "{name}: {messages}"
            );
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// Of all forms.
fn texts_below(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(texts_below(&path));
        } else if path.file_name().unwrap() != "policy-config.yaml" {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}

#[test]
fn no_output_holds_a_secret() {
    for (name, folder, source) in cases() {
        for yaml in texts_below(&folder) {
            assert!(
                !yaml.contains("inline_string: sk-") && !yaml.contains("Bearer sk-"),
                "{name}"
            );
        }
        // What somebody pasted in place of a reference does not come back in a message.
        if fs::read_to_string(&source).unwrap().contains("sk-pasted") {
            let diagnostics = fs::read_to_string(folder.join("diagnostics.txt")).unwrap();
            assert!(!diagnostics.contains("sk-pasted"), "{name}: {diagnostics}");
        }
    }
}
