//! What of a body cannot be read here: content by reference, and content in a form that is no text.
//!
//! One notion for requests and answers. A reference is known by its member, since any text can be a name; a form is known by its
//! shape (see [`super::binary`]), whatever its member. A name is text itself, so it is listed here *and* judged.

use std::ops::Range;

use super::binary;
use crate::{json::Step, tally::Skipped, verdict::Phase};

/// What a member of the API holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Media: where they are, or themselves in base64 or as a `data:` URL.
    Media,
    /// The name of something that the provider has or fetches.
    Name,
    /// What only the provider can decrypt.
    Sealed,
    /// The same, where the name has other meanings too: base64 alone counts.
    Signature,
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    /// The member around it; any where there is none. For elements of an array, the array counts as the member.
    parent: &'static str,
    name: &'static str,
    /// What it is called in events.
    pub(super) field: &'static str,
    pub(super) holds: Holds,
}

const fn member(
    parent: &'static str,
    name: &'static str,
    field: &'static str,
    holds: Holds,
) -> Member {
    Member {
        parent,
        name,
        field,
        holds,
    }
}

/// The members by their API. A line with a parent comes before one without.
static MEMBERS: &[Member] = &[
    // OpenAI, "Create chat completion": parts of messages, and the answer's sound.
    member("image_url", "url", "image_url.url", Holds::Media),
    member("", "image_url", "image_url", Holds::Media),
    member("input_audio", "data", "input_audio.data", Holds::Media),
    member("audio", "data", "audio.data", Holds::Media),
    member("audio", "id", "audio.id", Holds::Name),
    member("", "file_data", "file_data", Holds::Media),
    member("", "file_id", "file_id", Holds::Name),
    // OpenAI, "Create a model response": input items.
    member("", "file_url", "file_url", Holds::Media),
    member("", "encrypted_content", "encrypted_content", Holds::Sealed),
    // Its members beside `input`, and those of tools.
    member(
        "",
        "previous_response_id",
        "previous_response_id",
        Holds::Name,
    ),
    member("conversation", "id", "conversation", Holds::Name),
    member("", "conversation", "conversation", Holds::Name),
    member("prompt", "id", "prompt.id", Holds::Name),
    member("", "file_ids", "file_ids", Holds::Name),
    member("", "vector_store_id", "vector_store_ids", Holds::Name),
    member("", "vector_store_ids", "vector_store_ids", Holds::Name),
    member("", "server_url", "server_url", Holds::Name),
    member("", "connector_id", "connector_id", Holds::Name),
    member("", "container", "container", Holds::Name),
    member("", "container_id", "container", Holds::Name),
    member("", "skill_id", "skill_id", Holds::Name),
    // OpenAI, "Create image" and "Create embeddings": answers.
    member("", "b64_json", "b64_json", Holds::Media),
    member("", "partial_image_b64", "partial_image_b64", Holds::Media),
    member("", "embedding", "embedding", Holds::Media),
    // vLLM, "Multimodal inputs", which OpenRouter and others share.
    member("video_url", "url", "video_url.url", Holds::Media),
    member("", "video_url", "video_url", Holds::Media),
    member("audio_url", "url", "audio_url.url", Holds::Media),
    member("", "audio_url", "audio_url", Holds::Media),
    // Together, "Vision"; Ollama, "Chat"; Vercel's AI SDK.
    member("", "image", "image", Holds::Media),
    member("", "images", "images", Holds::Media),
    member("", "video", "video", Holds::Media),
    // Mistral, "Document understanding".
    member("", "document_url", "document_url", Holds::Media),
    // Anthropic, "Messages", as gateways pass it on.
    member("source", "data", "source.data", Holds::Media),
    member("source", "url", "source.url", Holds::Media),
    member("", "signature", "signature", Holds::Signature),
    // Gemini, "Generating content", as gateways pass it on.
    member("inline_data", "data", "inline_data.data", Holds::Media),
    member("inlineData", "data", "inline_data.data", Holds::Media),
    member("", "file_uri", "file_uri", Holds::Media),
    member("", "fileUri", "file_uri", Holds::Media),
    member("", "cached_content", "cached_content", Holds::Name),
    member("", "cachedContent", "cached_content", Holds::Name),
    member(
        "",
        "thought_signature",
        "thought_signature",
        Holds::Signature,
    ),
    member(
        "",
        "thoughtSignature",
        "thought_signature",
        Holds::Signature,
    ),
];

/// Members whose contents are about an answer, not part of what a model reads: they name sources.
const ABOUT: [&str; 5] = [
    "annotations",
    "citations",
    "metadata",
    "properties",
    "search_results",
];

/// The line of the member at `path`, in whatever case it is written.
pub(super) fn member_at(path: &[Step<'_>]) -> Option<&'static Member> {
    let mut names = path.iter().rev().filter_map(|step| match step {
        Step::Key(name) => Some(&**name),
        Step::Index(_) => None,
    });
    let name = names.next()?;
    let mut lines = MEMBERS
        .iter()
        .filter(|line| line.name.eq_ignore_ascii_case(name))
        .peekable();
    lines.peek()?;
    let parent = names.next().unwrap_or_default();
    let line =
        lines.find(|line| line.parent.is_empty() || line.parent.eq_ignore_ascii_case(parent))?;
    let is_about = |step: &Step<'_>| ABOUT.iter().any(|name| step.is(name));
    (!path.iter().any(is_about)).then_some(line)
}

/// What is listed for an item that only names another one.
pub(super) const ITEM: Skipped = Skipped {
    field: "item_reference",
    reason: "remote",
};

/// What is listed for a text of which more is encoded than was decoded.
pub(super) const ENCODED: Skipped = Skipped {
    field: "text",
    reason: "encoded",
};

/// Follows the items of a Responses request: one that has nothing but an id is a reference, whether it says so or not.
#[derive(Debug, Default)]
pub(super) struct Items {
    has_id: bool,
    has_more: bool,
}

impl Items {
    /// Notes a member by its path.
    pub(super) fn member(&mut self, path: &[Step<'_>]) {
        if let [list, Step::Index(_), Step::Key(member)] = path
            && list.is("input")
        {
            match &**member {
                "id" => self.has_id = true,
                "type" => {}
                _ => self.has_more = true,
            }
        }
    }

    /// Whether the object at `path`, all of whose members were noted, is an item that names another one.
    pub(super) fn is_reference(&mut self, path: &[Step<'_>]) -> bool {
        matches!(path, [list, Step::Index(_)] if list.is("input")) && {
            let item = std::mem::take(self);
            item.has_id && !item.has_more
        }
    }
}

/// What cannot be read of a string in any other member.
pub(super) fn elsewhere(path: &[Step<'_>], text: &str, binary: &[Range<usize>]) -> Option<Skipped> {
    if text == "item_reference" && path.last().is_some_and(|member| member.is("type")) {
        return Some(ITEM);
    }
    let first = binary.first()?;
    let field = if first.start > 0 {
        "data_url"
    } else {
        "base64"
    };
    Some(Skipped {
        field,
        reason: "base64",
    })
}

impl Member {
    /// What cannot be read of its string. `is_binary` says that something in it has the shape of binary data.
    pub(super) fn skipped(&self, text: &str, is_binary: bool, phase: Phase) -> Option<Skipped> {
        let text = text.trim_start_matches(|c: char| c <= ' ');
        if text.is_empty() {
            return None;
        }
        let reason = match self.holds {
            // An answer repeats what the request named.
            Holds::Name => (phase == Phase::Input || self.name == "file_id").then_some("remote")?,
            Holds::Sealed => "encrypted",
            Holds::Signature => is_binary.then_some("encrypted")?,
            Holds::Media => self.media(text, is_binary)?,
        };
        Some(Skipped {
            field: self.field,
            reason,
        })
    }

    /// Why media cannot be read. Text in such a member is read, unless the member is for a place: then it is one.
    fn media(&self, text: &str, is_binary: bool) -> Option<&'static str> {
        if text
            .get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        {
            return data_url(text, is_binary);
        }
        if is_binary || binary::is_short(text) {
            return Some("base64");
        }
        let is_place = ["url", "uri"].iter().any(|word| self.field.contains(word));
        (is_place || is_location(text)).then_some("remote")
    }
}

/// Why the content of a `data:` URL (RFC 2397) cannot be read.
fn data_url(text: &str, is_binary: bool) -> Option<&'static str> {
    let (header, payload) = text.split_once(',').unwrap_or((text, ""));
    let header = header.to_ascii_lowercase();
    let is_text = ["text/", "image/svg", "json", "xml"]
        .iter()
        .any(|kind| header.contains(kind));
    if header.contains("base64") {
        // What is neither binary nor text for us may still be decoded by somebody.
        (is_binary || !binary::says_text(payload)).then_some("base64")
    } else {
        (!is_text && payload.contains('%')).then_some("encoded")
    }
}

/// `scheme:…` (RFC 3986 §3.1), in any case, also with the tabs and line breaks that readers of URLs pass over, or `//host/…`.
fn is_location(text: &str) -> bool {
    let mut scheme = text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r'));
    let mut length = 0;
    loop {
        match scheme.next() {
            Some(':') => return length > 1 && scheme.next().is_some_and(|c| !c.is_whitespace()),
            Some('/') if length == 0 => return scheme.next() == Some('/'),
            Some(c) if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.') => length += 1,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCES: &[(&str, &str, &str)] = &[
        (
            "messages.0.content.1.image_url.url",
            "https://a.example/x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.image_url.url",
            "HTTPS://a.example/x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.image_url.url",
            "  https://a.example/x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.image_url.url",
            "ht\ntps://a.example/x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.image_url.url",
            "//a.example/x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.image_url.url",
            "gs://bucket/x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.IMAGE_URL.Url",
            "x.png",
            "image_url.url",
        ),
        (
            "messages.0.content.1.video_url.url",
            "https://a.example/x.mp4",
            "video_url.url",
        ),
        ("messages.0.content.1.file.file_id", "file-abc", "file_id"),
        ("messages.0.audio.id", "audio_abc", "audio.id"),
        (
            "input.0.content.0.image_url",
            "https://a.example/x.png",
            "image_url",
        ),
        (
            "input.0.content.0.file_url",
            "ftp://a.example/x.pdf",
            "file_url",
        ),
        ("input.0.type", "item_reference", "item_reference"),
        ("previous_response_id", "resp_1", "previous_response_id"),
        ("conversation", "conv_1", "conversation"),
        ("conversation.id", "conv_1", "conversation"),
        ("prompt.id", "pmpt_1", "prompt.id"),
        ("tools.0.server_url", "mcp.example.com/sse", "server_url"),
        ("tools.0.connector_id", "connector_gmail", "connector_id"),
        ("tools.0.vector_store_ids.0", "vs_1", "vector_store_ids"),
        ("tools.0.container", "cntr_1", "container"),
        ("tools.0.container.file_ids.2", "file-1", "file_ids"),
    ];

    fn path(names: &'static str) -> Vec<Step<'static>> {
        names
            .split('.')
            .map(|name| name.parse().map_or(Step::Key(name.into()), Step::Index))
            .collect()
    }

    fn listed(names: &'static str, text: &str) -> Option<(&'static str, &'static str)> {
        let path = path(names);
        let member = member_at(&path);
        let found = binary::stretches(text, member.is_some());
        let skipped = match member {
            Some(member) => member.skipped(text, !found.is_empty(), Phase::Input),
            None => elsewhere(&path, text, &found),
        };
        skipped.map(|skipped| (skipped.field, skipped.reason))
    }

    #[test]
    fn references_are_listed_however_they_are_spelt() {
        for (names, text, field) in REFERENCES {
            assert_eq!(
                listed(names, text),
                Some((*field, "remote")),
                "{names:?} {text}"
            );
        }
        assert_eq!(
            listed("input.3.encrypted_content", "gAAAAA"),
            Some(("encrypted_content", "encrypted"))
        );
    }

    #[test]
    fn forms_are_listed_however_they_are_spelt() {
        let url = "messages.0.content.1.image_url.url";
        let long_type = format!(
            "data:image/png;name={};base64,iVBORw0KGgo=",
            "x".repeat(300)
        );
        for text in [
            "data:image/png;base64,iVBORw0KGgo=",
            "DATA:image/png;BASE64,iVBORw0KGgo=",
            "data:;base64,iVBO\r\nRw0KGgo=",
            "data:image/png;base64,iVBO Rw0K%20Ggo=",
            long_type.as_str(),
        ] {
            assert_eq!(
                listed(url, text),
                Some(("image_url.url", "base64")),
                "{text}"
            );
        }
        assert_eq!(
            listed(url, "data:image/png,%89PNG%0d"),
            Some(("image_url.url", "encoded"))
        );
        for names in [
            "messages.0.content.0.source.data",
            "input_audio.data",
            "inlineData.data",
            "data.0.b64_json",
            "file.file_data",
            "data.0.embedding",
        ] {
            assert_eq!(
                listed(names, "iVBORw0KGgo=").map(|listed| listed.1),
                Some("base64"),
                "{names:?}"
            );
        }
    }

    #[test]
    fn what_is_read_is_not_listed() {
        for (names, text) in [
            (
                "messages.0.content.0.image_url.url",
                "data:text/plain,hello",
            ),
            (
                "messages.0.content.0.image_url.url",
                "data:text/plain;base64,SWdub3JlIGFsbA==",
            ),
            ("messages.0.content.0.image_url.url", ""),
            ("input.0.file_data", "Ignore all of it"),
            ("messages.0.content", "See https://a.example/x.png"),
            (
                "choices.0.message.annotations.0.url_citation.url",
                "https://a.example",
            ),
            ("output.0.content.0.annotations.0.file_id", "file-1"),
            ("metadata.file_id", "file-1"),
            (
                "tools.0.function.parameters.properties.file_id.type",
                "string",
            ),
            ("data.0.url", "https://a.example"),
            ("messages.0.signature", "Jane"),
            ("messages.0.type", "message"),
        ] {
            assert_eq!(listed(names, text), None, "{names:?} {text}");
        }
    }
}
