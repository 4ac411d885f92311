//! Inspection of a response body that is not a stream.

use super::{Usage, inspect::Inspector};
use crate::{
    chain::Chain,
    error::ErrorReply,
    json::{self, Kind, Node, Step},
    splice::{Edits, Patch},
    tally::Tally,
    verdict::Phase,
};

/// Judges `body` and says what to change.
pub(super) fn inspect(
    body: &[u8],
    chain: &Chain,
    tally: &mut Tally,
    usage: &mut Usage,
) -> Result<Option<Patch>, ErrorReply> {
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let hides_logprobs = chain.looks_for_pii(Phase::Output);
    let mut inspector = Inspector {
        body: text,
        chain,
        tally,
        phase: Phase::Output,
        edits: Edits::default(),
        stop: None,
    };
    json::walk(text, &mut |path, node| {
        usage.note(text, path, node);
        match logprobs(path) {
            LogProbs::Value if hides_logprobs => hide(node, &mut inspector.edits),
            LogProbs::Inside if hides_logprobs => {}
            _ => inspector.inspect(path, node),
        }
    })
    .map_err(|_| unreadable())?;
    if let Some(stop) = &inspector.stop {
        return Err(ErrorReply::stopped(stop));
    }
    let edits = inspector.edits;
    Ok((!edits.is_empty()).then(|| edits.patch(body)))
}

pub(super) fn unreadable() -> ErrorReply {
    ErrorReply::upstream_failed("The provider's answer cannot be inspected")
}

/// Where a node stands relative to `choices[i].logprobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogProbs {
    Value,
    Inside,
    Elsewhere,
}

/// Log probabilities repeat the text token by token, where a redaction cannot reach them: they are replaced by
/// `null` whenever text may be redacted.
pub(super) fn logprobs(path: &[Step<'_>]) -> LogProbs {
    match path {
        [choices, Step::Index(_), member, rest @ ..]
            if choices.is("choices") && member.is("logprobs") =>
        {
            if rest.is_empty() {
                LogProbs::Value
            } else {
                LogProbs::Inside
            }
        }
        _ => LogProbs::Elsewhere,
    }
}

/// Replaces the value of `logprobs` by `null`.
pub(super) fn hide(node: &Node, edits: &mut Edits) {
    match node.kind {
        Kind::Name { .. } | Kind::Null => {}
        Kind::String { .. } => {
            edits.replace(node.range.start - 1..node.range.end + 1, b"null".to_vec());
        }
        _ => edits.replace(node.range.clone(), b"null".to_vec()),
    }
}

impl Usage {
    /// Picks up the token counts.
    pub(super) fn note(&mut self, body: &str, path: &[Step<'_>], node: &Node) {
        let [usage, Step::Key(member), rest @ ..] = path else {
            return;
        };
        if node.kind != Kind::Number || !usage.is("usage") {
            return;
        }
        let count = body
            .get(node.range.clone())
            .and_then(|number| number.parse().ok());
        match (&**member, rest) {
            ("prompt_tokens", []) => self.prompt_tokens = count,
            ("completion_tokens", []) => self.completion_tokens = count,
            ("prompt_tokens_details", [detail]) if detail.is("cached_tokens") => {
                self.cached_tokens = count;
            }
            ("cached_tokens", []) => self.cached_tokens = count,
            _ => {}
        }
    }
}
