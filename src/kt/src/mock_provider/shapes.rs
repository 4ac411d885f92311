//! The JSON of each endpoint's answers, whole and streamed.

use kt_policy::Endpoint;
use serde_json::{Value, json};

/// What an answer is about.
pub(super) struct Reply<'r> {
    pub(super) endpoint: Endpoint,
    pub(super) request: &'r Value,
    pub(super) text: String,
    pub(super) with_usage: bool,
    pub(super) stated_usage: Option<&'r Value>,
}

const CREATED: u32 = 1_700_000_000;

impl Reply<'_> {
    fn model(&self) -> &str {
        self.request
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or("offline-echo")
    }

    /// Made-up counts that are the same for the same text: four characters a token.
    fn tokens(&self) -> (usize, usize) {
        let asked = ["messages", "prompt", "input"]
            .iter()
            .find_map(|member| self.request.get(member));
        (
            asked.map_or(0, |asked| asked.to_string().len() / 4),
            self.text.len().div_ceil(4),
        )
    }

    fn usage(&self) -> Value {
        if let Some(stated) = self.stated_usage {
            return stated.clone();
        }
        let (asked, answered) = self.tokens();
        match self.endpoint {
            Endpoint::Responses => {
                json!({"input_tokens": asked, "output_tokens": answered, "total_tokens": asked + answered})
            }
            _ => {
                json!({"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered})
            }
        }
    }

    /// An answer that is not streamed.
    pub(super) fn whole(&self) -> Value {
        let text = &self.text;
        let mut body = match self.endpoint {
            Endpoint::ChatCompletions => json!({
                "id": "chatcmpl-offline", "object": "chat.completion", "created": CREATED, "model": self.model(),
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": null, "finish_reason": "stop"}],
            }),
            Endpoint::Completions => json!({
                "id": "cmpl-offline", "object": "text_completion", "created": CREATED, "model": self.model(),
                "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": "stop"}],
            }),
            Endpoint::Embeddings => json!({
                "object": "list", "model": self.model(),
                "data": [{"object": "embedding", "index": 0, "embedding": [0.012_345_678_901, -0.5, 4.111_111_111_111e-3]}],
            }),
            Endpoint::Responses => self.response("completed", &[Self::item("completed", text)]),
        };
        if self.with_usage
            && let Some(members) = body.as_object_mut()
        {
            members.insert("usage".into(), self.usage());
        }
        body
    }

    fn response(&self, status: &str, output: &[Value]) -> Value {
        json!({"id": "resp_offline", "object": "response", "created_at": CREATED, "status": status, "model": self.model(), "output": output})
    }

    fn item(status: &str, text: &str) -> Value {
        let part = json!({"type": "output_text", "text": text, "annotations": []});
        json!({"type": "message", "id": "msg_offline", "role": "assistant", "status": status, "content": [part]})
    }

    /// The events of a streamed answer.
    pub(super) fn events(&self, deltas: &[String]) -> Vec<String> {
        match self.endpoint {
            Endpoint::Responses => self.response_events(deltas),
            _ => self.chunks(deltas),
        }
    }

    /// A role, the deltas, the finish, usage if asked for, `[DONE]`.
    fn chunks(&self, deltas: &[String]) -> Vec<String> {
        let is_chat = self.endpoint == Endpoint::ChatCompletions;
        let (id, object) = if is_chat {
            ("chatcmpl-offline", "chat.completion.chunk")
        } else {
            ("cmpl-offline", "text_completion")
        };
        let event = |choices: Value, usage: Option<Value>| {
            let mut chunk = json!({"id": id, "object": object, "created": CREATED, "model": self.model(), "choices": choices});
            if let (Some(usage), Some(members)) = (usage, chunk.as_object_mut()) {
                members.insert("usage".into(), usage);
            }
            format!("data: {chunk}\n\n")
        };
        let choice = |delta: Value, finish: Value| {
            let mut choice = json!({"index": 0, "logprobs": null, "finish_reason": finish});
            if let Some(members) = choice.as_object_mut() {
                let text = delta.get("content").cloned().unwrap_or_else(|| json!(""));
                members.insert(
                    if is_chat { "delta" } else { "text" }.into(),
                    if is_chat { delta } else { text },
                );
            }
            json!([choice])
        };
        let mut events = Vec::with_capacity(deltas.len() + 4);
        if is_chat {
            events.push(event(
                choice(json!({"role": "assistant", "content": ""}), Value::Null),
                None,
            ));
        }
        events.extend(
            deltas
                .iter()
                .map(|delta| event(choice(json!({"content": delta}), Value::Null), None)),
        );
        events.push(event(choice(json!({}), json!("stop")), None));
        if self.with_usage
            && self.request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true))
        {
            events.push(event(json!([]), Some(self.usage())));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    /// The events of the Responses API, which end with the whole response.
    fn response_events(&self, deltas: &[String]) -> Vec<String> {
        let text = deltas.concat();
        let place = json!({"item_id": "msg_offline", "output_index": 0, "content_index": 0});
        let mut number = 0;
        let mut event = |kind: &str, members: &Value| {
            let mut body = json!({"type": kind, "sequence_number": number});
            number += 1;
            if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
                body.extend(members.clone());
            }
            format!("event: {kind}\ndata: {body}\n\n")
        };
        let with = |name: &str, value: &str| {
            let mut members = place.clone();
            if let Some(members) = members.as_object_mut() {
                members.insert(name.to_owned(), json!(value));
                members.insert("logprobs".into(), json!([]));
            }
            members
        };
        let mut finished = self.response("completed", &[Self::item("completed", &text)]);
        if let Some(members) = finished.as_object_mut().filter(|_| self.with_usage) {
            members.insert("usage".into(), self.usage());
        }
        let mut events = vec![
            event(
                "response.created",
                &json!({"response": self.response("in_progress", &[])}),
            ),
            event(
                "response.output_item.added",
                &json!({"output_index": 0, "item": Self::item("in_progress", "")}),
            ),
        ];
        events.extend(
            deltas
                .iter()
                .map(|delta| event("response.output_text.delta", &with("delta", delta))),
        );
        events.push(event("response.output_text.done", &with("text", &text)));
        events.push(event(
            "response.output_item.done",
            &json!({"output_index": 0, "item": Self::item("completed", &text)}),
        ));
        events.push(event("response.completed", &json!({"response": finished})));
        events
    }
}
