//! The request families that are served. A path either has its text inspected or is not served.

/// An endpoint of the OpenAI API whose requests carry text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
}

impl Endpoint {
    /// Every endpoint. Longer suffixes come before those that they end in.
    pub const ALL: [Self; 4] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
    ];

    /// What follows the base path of a target.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
        }
    }

    /// The endpoint of a path, whatever base path it has. The query is not looked at.
    pub fn of_path(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|endpoint| path.ends_with(endpoint.suffix()))
    }

    /// Whether streams report usage only to those who ask by `stream_options`.
    pub(crate) fn has_usage_option(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }

    /// The member that a request must have.
    pub(crate) fn required_member(self) -> &'static str {
        match self {
            Self::ChatCompletions => "messages",
            Self::Completions => "prompt",
            Self::Embeddings | Self::Responses => "input",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_endpoint() {
        assert_eq!(
            Endpoint::of_path("/openai/v1/chat/completions?x=/embeddings"),
            Some(Endpoint::ChatCompletions)
        );
        assert_eq!(
            Endpoint::of_path("/v1/completions"),
            Some(Endpoint::Completions)
        );
        assert_eq!(Endpoint::of_path("/v1/models"), None);
    }
}
