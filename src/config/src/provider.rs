//! The providers that speak the OpenAI format, with their defaults. Adding one is one line.

/// A known provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Canonical id.
    pub id: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// Where its API is, if it is the same for everybody.
    pub base_url: Option<&'static str>,
    /// Environment variable with its key; `None` when it needs none.
    pub key_env: Option<&'static str>,
}

const fn provider_line(
    id: &'static str,
    aliases: &'static [&'static str],
    base_url: Option<&'static str>,
    key_env: Option<&'static str>,
) -> Provider {
    Provider {
        id,
        aliases,
        base_url,
        key_env,
    }
}

/// Base URLs from the providers' own API references, key variables from the product's provider table or, where
/// that has none, from the providers' SDKs.
const PROVIDERS: &[Provider] = &[
    provider_line(
        "together",
        &["together-ai"],
        Some("https://api.together.xyz/v1"),
        Some("TOGETHER_API_KEY"),
    ),
    provider_line(
        "openai",
        &[],
        Some("https://api.openai.com/v1"),
        Some("OPENAI_API_KEY"),
    ),
    provider_line(
        "mistral",
        &[],
        Some("https://api.mistral.ai/v1"),
        Some("MISTRAL_API_KEY"),
    ),
    provider_line(
        "groq",
        &[],
        Some("https://api.groq.com/openai/v1"),
        Some("GROQ_API_KEY"),
    ),
    provider_line(
        "perplexity",
        &[],
        Some("https://api.perplexity.ai/v1"),
        Some("PERPLEXITY_API_KEY"),
    ),
    provider_line(
        "cerebras",
        &[],
        Some("https://api.cerebras.ai/v1"),
        Some("CEREBRAS_API_KEY"),
    ),
    provider_line("xai", &[], Some("https://api.x.ai/v1"), Some("XAI_API_KEY")),
    provider_line(
        "aimlapi",
        &[],
        Some("https://api.aimlapi.com/v1"),
        Some("AIML_API_KEY"),
    ),
    provider_line(
        "alibaba",
        &[],
        Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        Some("DASHSCOPE_API_KEY"),
    ),
    provider_line(
        "llamaApi",
        &[],
        Some("https://api.llama.com/compat/v1"),
        Some("LLAMA_API_KEY"),
    ),
    provider_line("ollama", &[], Some("http://localhost:11434"), None),
    provider_line("vllm", &[], Some("http://localhost:8080/v1"), None),
    provider_line(
        "openllm",
        &[],
        Some("http://localhost:3000/v1"),
        Some("OPENLLM_API_KEY"),
    ),
    provider_line("localai", &[], Some("http://localhost:8080/v1"), None),
    provider_line(
        "litellm",
        &[],
        Some("http://localhost:4000"),
        Some("LITELLM_API_KEY"),
    ),
    provider_line("truefoundry", &[], None, Some("TRUEFOUNDRY_API_KEY")),
    provider_line("cloudflare-gateway", &[], None, Some("CLOUDFLARE_API_KEY")),
    provider_line("cloudera", &[], None, Some("CLOUDERA_API_KEY")),
];

/// Providers of the product whose wire format this gateway does not speak.
pub(crate) const OTHER_FORMATS: &[&str] = &[
    "anthropic",
    "azure",
    "azure-openai",
    "bedrock",
    "aws-bedrock",
    "google",
];

/// The provider called `name`.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS
        .iter()
        .find(|provider| provider.id == name || provider.aliases.contains(&name))
}

/// Every accepted name.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROVIDERS
        .iter()
        .flat_map(|provider| std::iter::once(provider.id).chain(provider.aliases.iter().copied()))
}
