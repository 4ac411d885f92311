//! Building the answers of the offline provider.

use std::{io, time::Duration};

use http_body_util::{BodyExt as _, channel::Channel, combinators::BoxBody};
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    respond,
    script::{Disconnect, Script},
};

/// A response of the offline provider.
pub(crate) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// A JSON answer.
pub(crate) fn whole(status: StatusCode, body: &Value) -> Answer {
    respond(status, "application/json", body.to_string().into_bytes())
}

/// An error in OpenAI's shape.
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    whole(
        status,
        &json!({"error": {"message": message, "type": "mock_error", "param": null, "code": null}}),
    )
}

/// Does what the script says.
pub(crate) async fn follow(script: Script, request: &Bytes) -> Result<Answer, io::Error> {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(script.delay_ms)).await;
    if script.disconnect == Some(Disconnect::BeforeHeaders) {
        return Err(io::Error::other("the script says so"));
    }
    let status = script
        .status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::OK);
    let streams = request.get("stream") == Some(&Value::Bool(true))
        && status.is_success()
        && script.body.is_none();
    let content_type = if streams {
        "text/event-stream"
    } else {
        "application/json"
    };
    let pieces = match &script.raw {
        Some(raw) => raw.clone(),
        None if streams => stream_pieces(&script, &request),
        None => vec![body(&script, &request, status).to_string()],
    };
    let mut answer = match (pieces.as_slice(), script.disconnect) {
        ([piece], None) if !streams => respond(status, content_type, piece.clone().into_bytes()),
        _ => in_pieces(status, content_type, pieces, &script),
    };
    for (name, value) in &script.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// A body that is written piece by piece, and may break.
fn in_pieces(
    status: StatusCode,
    content_type: &str,
    pieces: Vec<String>,
    script: &Script,
) -> Answer {
    let (mut sender, channel) = Channel::<Bytes, io::Error>::new(1);
    let delay = Duration::from_millis(script.piece_delay_ms);
    let breaks_after = match script.disconnect {
        Some(Disconnect::AfterHeaders) => Some(0),
        Some(Disconnect::AfterPieces(count)) => Some(count),
        _ => None,
    };
    tokio::spawn(async move {
        for (at, piece) in pieces.into_iter().enumerate() {
            if breaks_after == Some(at) {
                // Let what was written reach the other side before the connection goes.
                tokio::time::sleep(Duration::from_millis(50)).await;
                sender.abort(io::Error::other("the script says so"));
                return;
            }
            if at > 0 && !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if sender.send_data(Bytes::from(piece)).await.is_err() {
                return;
            }
        }
    });
    let mut answer = respond(status, content_type, Vec::new());
    *answer.body_mut() = channel.boxed();
    answer
}

fn model(request: &Value) -> &str {
    request
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or("offline-echo")
}

fn reply(script: &Script, request: &Value) -> String {
    if let Some(reply) = &script.reply {
        return reply.clone();
    }
    let last = request
        .get("messages")
        .and_then(Value::as_array)
        .and_then(|messages| messages.last())
        .and_then(|message| message.get("content"));
    let text = match last {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    };
    format!("You said: {text}")
}

/// A made-up count that is the same for the same text: four characters a token.
fn usage(request: &Value, reply: &str) -> Value {
    let prompt = request
        .get("messages")
        .map_or(0, |messages| messages.to_string().len() / 4);
    let completion = reply.len().div_ceil(4);
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

fn body(script: &Script, request: &Value, status: StatusCode) -> Value {
    if let Some(body) = &script.body {
        return body.clone();
    }
    if !status.is_success() {
        return json!({"error": {"message": "the script says so", "type": "mock_error", "param": null, "code": status.as_u16().to_string()}});
    }
    let reply = reply(script, request);
    let mut body = json!({
        "id": "chatcmpl-offline",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model(request),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": reply}, "logprobs": null, "finish_reason": "stop"}],
    });
    if !script.no_usage
        && let Some(members) = body.as_object_mut()
    {
        members.insert("usage".into(), usage(request, &reply));
    }
    body
}

/// The events of a streamed answer: a role, the deltas, the finish, usage if asked for, `[DONE]`.
fn stream_pieces(script: &Script, request: &Value) -> Vec<String> {
    let text = reply(script, request);
    let deltas = script
        .deltas
        .clone()
        .unwrap_or_else(|| text.split_inclusive(' ').map(str::to_owned).collect());
    let event = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": "chatcmpl-offline", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model(request), "choices": choices,
        });
        if let (Some(usage), Some(members)) = (usage, chunk.as_object_mut()) {
            members.insert("usage".into(), usage);
        }
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let mut pieces = vec![event(
        choice(json!({"role": "assistant", "content": ""}), Value::Null),
        None,
    )];
    pieces.extend(
        deltas
            .iter()
            .map(|delta| event(choice(json!({"content": delta}), Value::Null), None)),
    );
    pieces.push(event(choice(json!({}), json!("stop")), None));
    let wants_usage = request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    if wants_usage && !script.no_usage {
        pieces.push(event(json!([]), Some(usage(request, &deltas.concat()))));
    }
    pieces.push("data: [DONE]\n\n".to_owned());
    pieces
}
