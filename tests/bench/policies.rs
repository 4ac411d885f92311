//! The chains under test, as policy files.

use kt_policy::PolicyConfig;

/// The chain that the shipped examples have.
pub(crate) const SEED: &[&str] = &[
    "prompt-injection",
    "pii-detector",
    "safety-filter",
    "audit-logger",
];

/// Each policy alone, and all of them.
pub(crate) const CHAINS: &[(&str, &[&str])] = &[
    ("audit", &["audit-logger"]),
    ("pii", &["pii-detector"]),
    ("injection", &["prompt-injection"]),
    ("safety", &["safety-filter"]),
    ("chain", SEED),
];

/// A policy file with `chain` and one target on the loopback.
pub(crate) fn file(chain: &[&str], provider: u16) -> String {
    let sections = chain.iter().map(|policy| match *policy {
        "prompt-injection" => "  prompt-injection: {threshold: 0.8, action: block}\n",
        "pii-detector" => "  pii-detector: {action: redact}\n",
        "safety-filter" => "  safety-filter: {mode: strict, action: block}\n",
        _ => "  audit-logger: {immutable: true, retention_days: 365, log_all_access: true}\n",
    });
    format!(
        "pack: {{name: bench, version: 1.0.0, enabled: true}}\n\
         policies: {{chain: [{}]}}\n\
         policy:\n{}\
         providers:\n  strategy: single\n  targets:\n    - {{id: offline, provider: openai, model: offline-echo, \
         base_url: \"http://127.0.0.1:{provider}/v1\", secret_key_ref: {{env: OFFLINE_PROVIDER_KEY}}}}\n",
        chain.join(", "),
        sections.collect::<String>()
    )
}

/// The policies of a chain for the engine in this process.
pub(crate) fn of(chain: &[&str]) -> Result<Vec<PolicyConfig>, String> {
    let loaded = kt_config::load(&file(chain, 1));
    let (gateway, _) = loaded.map_err(|_| "the bench's own policy file is wrong")?;
    Ok(gateway.policies.chain)
}
