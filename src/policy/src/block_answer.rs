//! What a block looks like where it is to look like an answer (`on_block: refusal`): many clients and agents end on a 409 what they
//! would go on with after a refusal.
//!
//! The message is the gateway's own; nothing of the exchange is in it. Its shape is that of the endpoint: OpenAI, "Create chat
//! completion", "Create completion" and "Streaming events" of the Responses API. Tokens are counted as none, since the answer cost none;
//! what a provider was paid for an answer that is not shown stands in the event.

use serde_json::{Value, json};

use crate::{endpoint::Endpoint, sse};

/// The model in answers that no model gave: those of the targets are not for everybody to know.
const MODEL: &str = "keeptrusts";

/// What is known of the exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) endpoint: Endpoint,
    /// Microseconds since 1970.
    pub(crate) now_us: u64,
    /// Whether the client asked for the count of tokens at the end of the stream.
    pub(crate) wants_usage: bool,
}

/// How far a stream had come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun {
    /// What all chunks begin with, as the inside of a JSON object that goes on.
    pub(crate) head: String,
    /// Choices that have begun and not ended.
    pub(crate) choices: Vec<u32>,
    /// Events so far.
    pub(crate) events: usize,
}

impl About {
    /// The answer as one body. There is none to a request for embeddings.
    pub(crate) fn whole(&self, message: &str) -> Option<Vec<u8>> {
        let body = match self.endpoint {
            Endpoint::ChatCompletions => self.chat(message),
            Endpoint::Completions => self.completion("text_completion", message, true),
            Endpoint::Responses => self.response("completed", &[self.item("completed", message)]),
            Endpoint::Embeddings => return None,
        };
        Some(body.to_string().into_bytes())
    }

    /// The answer as a stream, from its beginning to its end.
    pub(crate) fn stream(&self, message: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match self.endpoint {
            Endpoint::ChatCompletions => {
                self.chunk(
                    &json!({"role": "assistant", "content": message, "refusal": message}),
                    &Value::Null,
                    &mut out,
                );
                self.chunk(&json!({}), &json!("content_filter"), &mut out);
                self.usage_chunk("chat.completion.chunk", &mut out);
            }
            Endpoint::Completions => {
                data(
                    &self.completion("text_completion", message, false),
                    &mut out,
                );
                self.usage_chunk("text_completion", &mut out);
            }
            Endpoint::Responses => {
                self.events(message, &mut out);
                return Some(out);
            }
            Endpoint::Embeddings => return None,
        }
        sse::write_data(b"[DONE]", &mut out);
        Some(out)
    }

    /// The end of a stream that has begun. What has left stays; every choice that is open ends.
    pub(crate) fn rest(&self, message: &str, begun: &Begun) -> Option<Vec<u8>> {
        if begun.events == 0 {
            return self.stream(message);
        }
        let mut out = Vec::new();
        let delta = match self.endpoint {
            Endpoint::ChatCompletions => ("delta", json!({"refusal": message})),
            Endpoint::Completions => ("text", json!("")),
            Endpoint::Responses => {
                let response = self.response("incomplete", &[self.item("incomplete", message)]);
                event(
                    "response.incomplete",
                    begun.events,
                    json!({"response": response}),
                    &mut out,
                );
                return Some(out);
            }
            Endpoint::Embeddings => return None,
        };
        let choices: Vec<Value> = (begun.choices.iter())
            .map(|index| json!({"index": index, delta.0: delta.1, "finish_reason": "content_filter"}))
            .collect();
        let own = format!(
            "\"id\":\"{}\",\"created\":{},",
            self.id("kt"),
            self.created()
        );
        let head = if begun.head.is_empty() {
            &own
        } else {
            &begun.head
        };
        // A choice that has ended does not end again.
        if !choices.is_empty() {
            let payload = format!("{{{head}\"choices\":{}}}", Value::from(choices));
            sse::write_data(payload.as_bytes(), &mut out);
        }
        sse::write_data(b"[DONE]", &mut out);
        Some(out)
    }

    fn id(&self, prefix: &str) -> String {
        format!("{prefix}kt{:x}", self.now_us)
    }

    fn created(&self) -> u64 {
        self.now_us / 1_000_000
    }

    fn chat(&self, message: &str) -> Value {
        json!({
            "id": self.id("chatcmpl-"),
            "object": "chat.completion",
            "created": self.created(),
            "model": MODEL,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": message, "refusal": message},
                "logprobs": null,
                "finish_reason": "content_filter"}],
            "usage": no_tokens(),
        })
    }

    fn completion(&self, object: &str, message: &str, with_usage: bool) -> Value {
        let mut body = json!({
            "id": self.id("cmpl-"),
            "object": object,
            "created": self.created(),
            "model": MODEL,
            "choices": [{"index": 0, "text": message, "logprobs": null, "finish_reason": "content_filter"}],
        });
        if let Some(members) = body.as_object_mut().filter(|_| with_usage) {
            members.insert("usage".to_owned(), no_tokens());
        }
        body
    }

    fn chunk(&self, delta: &Value, finish_reason: &Value, out: &mut Vec<u8>) {
        let chunk = json!({
            "id": self.id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": self.created(),
            "model": MODEL,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
        });
        data(&chunk, out);
    }

    fn usage_chunk(&self, object: &str, out: &mut Vec<u8>) {
        if self.wants_usage {
            let chunk = json!({"id": self.id("chatcmpl-"), "object": object, "created": self.created(), "model": MODEL, "choices": [], "usage": no_tokens()});
            data(&chunk, out);
        }
    }

    fn item(&self, status: &str, message: &str) -> Value {
        json!({
            "id": self.id("msg_"),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": message}],
        })
    }

    fn response(&self, status: &str, output: &[Value]) -> Value {
        let details = (status == "incomplete").then(|| json!({"reason": "content_filter"}));
        json!({
            "id": self.id("resp_"),
            "object": "response",
            "created_at": self.created(),
            "status": status,
            "error": null,
            "incomplete_details": details,
            "instructions": null,
            "max_output_tokens": null,
            "metadata": {},
            "model": MODEL,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
            "usage": {
                "input_tokens": 0,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 0,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 0},
        })
    }

    /// The events of the Responses API for one message that is a refusal.
    fn events(&self, message: &str, out: &mut Vec<u8>) {
        let id = self.id("msg_");
        let place = |mut more: Value| {
            if let Some(members) = more.as_object_mut() {
                members.insert("item_id".to_owned(), json!(id));
                members.insert("output_index".to_owned(), json!(0));
                members.insert("content_index".to_owned(), json!(0));
            }
            more
        };
        let empty = json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []});
        let done = self.item("completed", message);
        let part = json!({"type": "refusal", "refusal": message});
        let begun = self.response("in_progress", &[]);
        let events = [
            ("response.created", json!({"response": begun})),
            ("response.in_progress", json!({"response": begun})),
            (
                "response.output_item.added",
                json!({"output_index": 0, "item": empty}),
            ),
            (
                "response.content_part.added",
                place(json!({"part": {"type": "refusal", "refusal": ""}})),
            ),
            ("response.refusal.delta", place(json!({"delta": message}))),
            ("response.refusal.done", place(json!({"refusal": message}))),
            ("response.content_part.done", place(json!({"part": part}))),
            (
                "response.output_item.done",
                json!({"output_index": 0, "item": done}),
            ),
            (
                "response.completed",
                json!({"response": self.response("completed", std::slice::from_ref(&done))}),
            ),
        ];
        for (number, (name, members)) in events.into_iter().enumerate() {
            event(name, number, members, out);
        }
    }
}

fn no_tokens() -> Value {
    json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
}

fn data(payload: &Value, out: &mut Vec<u8>) {
    sse::write_data(payload.to_string().as_bytes(), out);
}

/// An event of the Responses API, which carries its name twice and its number.
fn event(name: &str, number: usize, mut members: Value, out: &mut Vec<u8>) {
    if let Some(members) = members.as_object_mut() {
        members.insert("type".to_owned(), json!(name));
        members.insert("sequence_number".to_owned(), json!(number));
    }
    out.extend_from_slice(format!("event: {name}\n").as_bytes());
    data(&members, out);
}
