//! Inspection of a response body that is not a stream.

use super::{Usage, inspect::Inspector};
use crate::{
    engine::Engine,
    error::ErrorReply,
    json::{self, Kind, Node, Step},
    splice::{Edits, Patch},
    tally::Tally,
    verdict::Phase,
};

/// Judges `body` and says what to change.
pub(super) fn inspect(
    body: &[u8],
    engine: &Engine,
    tally: &mut Tally,
    usage: &mut Usage,
) -> Result<Option<Patch>, ErrorReply> {
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let hides_tokens = engine.chain().may_redact(Phase::Output);
    tally.sightings.steps.grant(body.len());
    let mut inspector = Inspector::new(text, engine, tally, Phase::Output);
    json::walk(text, &mut |path, node| {
        usage.note(text, path, node);
        match token_data(path) {
            TokenData::Value if hides_tokens => hide(node, &mut inspector.edits),
            TokenData::Inside if hides_tokens => {}
            _ => inspector.inspect(path, node),
        }
    })
    .map_err(|_| unreadable())?;
    let edits = inspector.finish()?;
    Ok((!edits.is_empty()).then(|| edits.patch(body)))
}

pub(super) fn unreadable() -> ErrorReply {
    ErrorReply::upstream_failed("The provider's answer cannot be inspected")
}

/// Where a node stands relative to data that repeats the text token by token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenData {
    Value,
    Inside,
    Elsewhere,
}

/// Log probabilities and token ids repeat the text in pieces that a redaction cannot reach: they are emptied whenever
/// text may be redacted. The names are OpenAI's, Together's, vLLM's and Groq's.
pub(super) fn token_data(path: &[Step<'_>]) -> TokenData {
    // Lists of tokens, as text and as numbers.
    if let [group, debug, below @ ..] = path
        && group.is("x_groq")
        && debug.is("debug")
    {
        return if below.is_empty() {
            TokenData::Value
        } else {
            TokenData::Inside
        };
    }
    let is_token_data = |step: &Step<'_>| match step {
        Step::Key(name) => matches!(
            &**name,
            "logprobs"
                | "prompt_logprobs"
                | "top_logprobs"
                | "token_id"
                | "token_ids"
                | "prompt_token_ids"
        ),
        Step::Index(_) => false,
    };
    match path.split_last() {
        Some((_, above)) if above.iter().any(is_token_data) => TokenData::Inside,
        Some((last, _)) if is_token_data(last) => TokenData::Value,
        _ => TokenData::Elsewhere,
    }
}

/// Empties token data: an array becomes `[]`, anything else `null`.
pub(super) fn hide(node: &Node, edits: &mut Edits) {
    match node.kind {
        Kind::Name { .. } | Kind::Null => {}
        Kind::String { .. } => {
            edits.replace(node.range.start - 1..node.range.end + 1, b"null".to_vec());
        }
        Kind::Array => edits.replace(node.range.clone(), b"[]".to_vec()),
        _ => edits.replace(node.range.clone(), b"null".to_vec()),
    }
}
