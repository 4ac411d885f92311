//! Building the answers of the offline provider.

use std::{io, time::Duration};

use http_body_util::{BodyExt as _, channel::Channel, combinators::BoxBody};
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};
use kt_policy::Endpoint;
use serde_json::{Value, json};

use super::{
    respond,
    script::{Disconnect, Script},
    shapes::Reply,
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
pub(crate) async fn follow(
    script: Script,
    endpoint: Endpoint,
    request: &Bytes,
) -> Result<Answer, io::Error> {
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
    let pieces = pieces(&script, endpoint, &request, status, streams);
    let mut answer = match (pieces.as_slice(), script.disconnect) {
        ([piece], None) if !streams => respond(status, content_type, piece.clone()),
        _ => in_pieces(status, content_type, pieces, &script),
    };
    for (name, value) in &script.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// The pieces of the body.
fn pieces(
    script: &Script,
    endpoint: Endpoint,
    request: &Value,
    status: StatusCode,
    streams: bool,
) -> Vec<Vec<u8>> {
    let bytes = |pieces: Vec<String>| pieces.into_iter().map(String::into_bytes).collect();
    if let Some(digits) = &script.raw_hex {
        return vec![unhex(digits)];
    }
    if let Some(raw) = &script.raw {
        return bytes(raw.clone());
    }
    if let Some(body) = &script.body {
        return bytes(vec![body.to_string()]);
    }
    if !status.is_success() {
        let code = status.as_u16().to_string();
        let body = json!({"error": {"message": "the script says so", "type": "mock_error", "param": null, "code": code}});
        return bytes(vec![body.to_string()]);
    }
    let text = script
        .reply
        .clone()
        .unwrap_or_else(|| format!("You said: {}", last_text(request)));
    let reply = Reply {
        endpoint,
        request,
        text,
        with_usage: !script.no_usage,
        stated_usage: script.usage.as_ref(),
    };
    if !streams {
        return bytes(vec![reply.whole().to_string()]);
    }
    let words = || reply.text.split_inclusive(' ').map(str::to_owned).collect();
    bytes(reply.events(&script.deltas.clone().unwrap_or_else(words)))
}

/// Bytes from hexadecimal digits; whatever is none is left out.
fn unhex(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u32> = digits
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    nibbles
        .chunks_exact(2)
        .filter_map(|pair| {
            u8::try_from(pair.iter().fold(0, |byte, nibble| byte * 16 + nibble)).ok()
        })
        .collect()
}

/// The text of the last message, or the prompt.
fn last_text(request: &Value) -> String {
    let asked = ["messages", "prompt", "input"]
        .iter()
        .find_map(|member| request.get(member));
    let last = match asked {
        Some(Value::Array(items)) => items.last().map(|item| item.get("content").unwrap_or(item)),
        other => other,
    };
    match last {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    }
}

/// A body that is written piece by piece, and may break.
fn in_pieces(
    status: StatusCode,
    content_type: &str,
    pieces: Vec<Vec<u8>>,
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
