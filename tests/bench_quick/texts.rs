//! What is sent: ordinary prose without findings, the common case.

use serde_json::json;

const SENTENCES: [&str; 8] = [
    "The committee met on Tuesday to discuss the plans for the new library building in the town centre.",
    "Please summarise the main arguments of the report and list the open questions at the end.",
    "Our customers expect an answer within two working days, and most of them get one on the same day.",
    "In 1998 the river rose by 3.2 metres, which the older residents still remember very well.",
    "She wrote the function in Rust first, measured it, and then decided that the simple version was good enough.",
    "There are several ways to store the data; each has its own price in memory, time and effort.",
    "It's often said that naming things is hard, but throwing away a name is harder.",
    "The train leaves at half past seven, so we should have breakfast at six at the latest.",
];

/// Prose of about `bytes` bytes.
pub(crate) fn prose(bytes: usize) -> String {
    let mut text = String::new();
    for sentence in SENTENCES.iter().cycle() {
        if text.len() + sentence.len() > bytes {
            return text;
        }
        text.push_str(sentence);
        text.push(if text.len().is_multiple_of(5) {
            '\n'
        } else {
            ' '
        });
    }
    text
}

/// A chat request whose body has about `bytes` bytes, as HTTP/1.1. The members stand in the order in which the
/// official Python client writes them.
pub(crate) fn request(bytes: usize, stream: bool) -> Vec<u8> {
    let content = json!(prose(bytes.saturating_sub(200)));
    let system = json!("You are a helpful assistant.");
    let body = format!(
        "{{\"messages\":[{{\"role\":\"system\",\"content\":{system}}},{{\"role\":\"user\",\"content\":{content}}}],\"model\":\"meta-llama/Llama-3.3-70B-Instruct-Turbo\",\"stream\":{stream},\"temperature\":0.7}}"
    );
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer unused\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// A script for the offline provider: an answer of `count` token-sized chunks, each written for itself.
pub(crate) fn stream_script(count: usize) -> String {
    let text = prose(count * 8);
    let mut tokens = text.split_inclusive(' ').flat_map(|word| {
        let middle = word.floor_char_boundary(word.len() / 2);
        // Long words are two tokens, as tokenisers have it.
        if word.len() > 8 {
            vec![
                word.get(..middle).unwrap_or_default(),
                word.get(middle..).unwrap_or_default(),
            ]
        } else {
            vec![word]
        }
    });
    let chunk = |delta: serde_json::Value, finish: serde_json::Value| {
        let chunk = json!({
            "id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk", "created": 1_795_252_327,
            "model": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        format!("data: {chunk}\n\n")
    };
    let mut pieces = vec![chunk(
        json!({"role": "assistant", "content": ""}),
        json!(null),
    )];
    pieces.extend(
        tokens
            .by_ref()
            .take(count)
            .map(|token| chunk(json!({"content": token}), json!(null))),
    );
    pieces.push(chunk(json!({}), json!("stop")));
    pieces.push("data: [DONE]\n\n".into());
    json!({"raw": pieces}).to_string()
}
