//! What is sent: prose without findings, technical text out of this repository, conversations as agents send them.

use std::{fs, path::Path};

use kt_policy::{Chain, Phase};
use serde_json::json;

use crate::{policies, processes::root};

/// What one client sends, request after request, on one connection.
pub(crate) type Session = Vec<Vec<u8>>;

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

/// Real technical text: sources, documents and configurations of this repository. Code, lists, tables and numbers are among them.
/// What a policy would stop is left out, so that every request has all the work.
pub(crate) struct Technical {
    stretches: Vec<String>,
    chain: Chain,
}

/// About so many bytes of a file follow each other.
const STRETCH: usize = 4096;

impl Technical {
    pub(crate) fn read() -> Result<Self, String> {
        let mut files = Vec::new();
        for folder in [
            "src/routing/src",
            "src/config/src",
            "src/envoy-gen/src",
            "src/filter/src",
            "docs",
            "envoy",
        ] {
            collect(&root().join(folder), &mut files)?;
        }
        files.sort();
        let texts = files
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok());
        let texts: Vec<String> = texts.collect();
        let mut all = Self {
            stretches: Vec::new(),
            chain: Chain::compile(&policies::of(policies::SEED)?)?,
        };
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        for start in (0..longest).step_by(STRETCH) {
            for text in texts.iter().filter(|text| text.len() > start) {
                let (start, end) = (line_at(text, start), line_at(text, start + STRETCH));
                let stretch = text.get(start..end).unwrap_or_default();
                if !stretch.is_empty() && all.passes(stretch) {
                    all.stretches.push(stretch.to_owned());
                }
            }
        }
        Ok(all)
    }

    /// About `bytes` bytes that no other `serial` has.
    pub(crate) fn text(&self, bytes: usize, serial: usize) -> String {
        let first = serial.wrapping_mul(7919);
        let tries = (0..100).map(|shift| self.beginning_at(first + shift, bytes, serial));
        tries
            .into_iter()
            .find(|text| self.passes(text))
            .unwrap_or_default()
    }

    fn beginning_at(&self, first: usize, bytes: usize, serial: usize) -> String {
        let mut text = format!("Part {serial}.\n");
        let skipped = first % self.stretches.len();
        for stretch in self.stretches.iter().cycle().skip(skipped) {
            let end = stretch.floor_char_boundary(bytes - text.len());
            text.push_str(stretch.get(..end).unwrap_or_default());
            if text.len() + 3 >= bytes {
                break;
            }
        }
        text
    }

    fn passes(&self, text: &str) -> bool {
        let judgements = self.chain.judge_text(Phase::Input, text);
        !judgements.iter().any(|judgement| judgement.verdict.stops())
    }
}

/// Where the line begins that `at` lies in.
fn line_at(text: &str, at: usize) -> usize {
    let before = text.get(..text.floor_char_boundary(at)).unwrap_or_default();
    if before.len() == text.len() {
        return text.len();
    }
    before.rfind('\n').map_or(0, |end| end + 1)
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// A chat request with one message.
pub(crate) fn request(content: &str, stream: bool) -> Vec<u8> {
    chat(
        &[
            ("system", "You are a helpful assistant."),
            ("user", content),
        ],
        stream,
    )
}

/// A chat request as HTTP/1.1. The members stand in the order in which the official Python client writes them.
fn chat(messages: &[(&str, &str)], stream: bool) -> Vec<u8> {
    let messages: Vec<String> = messages
        .iter()
        .map(|(role, content)| format!("{{\"role\":\"{role}\",\"content\":{}}}", json!(content)))
        .collect();
    let body = format!(
        "{{\"messages\":[{}],\"model\":\"meta-llama/Llama-3.3-70B-Instruct-Turbo\",\"stream\":{stream},\"temperature\":0.7}}",
        messages.join(",")
    );
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer unused\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// A conversation of so many turns that grows to `bytes`: every request has all messages before, as agents and chats send them.
pub(crate) fn conversation(
    technical: &Technical,
    turns: usize,
    bytes: usize,
    serial: usize,
) -> Session {
    let turn = bytes / turns;
    let texts: Vec<String> = (0..2 * turns)
        .map(|place| {
            let share = if place % 2 == 0 {
                turn / 4
            } else {
                turn - turn / 4
            };
            technical.text(share, serial * 1000 + place)
        })
        .collect();
    (0..turns)
        .map(|last| {
            let mut messages = vec![("system", "You are a helpful assistant.")];
            let said = texts.iter().take(2 * last + 1).enumerate();
            messages.extend(said.map(|(place, text)| {
                (
                    if place % 2 == 0 { "user" } else { "assistant" },
                    text.as_str(),
                )
            }));
            chat(&messages, false)
        })
        .collect()
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
