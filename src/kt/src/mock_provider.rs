//! `kt mock-provider`: an offline provider that speaks the OpenAI format, for the demo and the tests.
//!
//! It echoes the last message, or does what a [`Script`] says. A script comes with the request (header
//! `x-mock-script`), from a queue (`POST /mock/script` with a list), or for all requests from `--script FILE` or
//! `PUT /mock/script`.
//! `GET /mock/requests` shows what was received, `DELETE /mock/requests` forgets it.

mod answer;
mod script;
mod shapes;

use std::{
    collections::VecDeque,
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kt_policy::Endpoint;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Failure;
use answer::Answer;
use script::Script;

/// Arguments of `kt mock-provider`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where it listens; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:41003")]
    listen: SocketAddr,
    /// A JSON script that every request follows unless it brings its own.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// How many requests to remember.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    remember: usize,
}

/// What all connections share.
pub(crate) struct Provider {
    remember: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    default: Script,
    queue: VecDeque<Script>,
    requests: VecDeque<Value>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let default = match &arguments.script {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("error: cannot read {}: {error}", path.display()))
            })?;
            serde_json::from_str(&text)
                .map_err(|error| Failure::usage(format!("error: {}: {error}", path.display())))?
        }
        None => Script::default(),
    };
    let provider = Arc::new(Provider {
        remember: arguments.remember,
        state: Mutex::new(State {
            default,
            ..State::default()
        }),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::usage(format!("error: cannot start: {error}")))?;
    let served = runtime.block_on(serve(arguments.listen, provider));
    served.map_err(|error| {
        Failure::usage(format!(
            "error: cannot listen on {}: {error}",
            arguments.listen
        ))
    })
}

async fn serve(listen: SocketAddr, provider: Arc<Provider>) -> std::io::Result<ExitCode> {
    let listener = TcpListener::bind(listen).await?;
    println!("Offline provider on http://{}/v1", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let provider = provider.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| exchange(provider.clone(), request));
            // A connection that ends badly is what some scripts ask for, and ends nothing else.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn exchange(
    provider: Arc<Provider>,
    request: Request<Incoming>,
) -> Result<Answer, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    let path = head.uri.path();
    match (&head.method, path) {
        (&Method::GET, "/mock/requests") => Ok(answer::whole(
            StatusCode::OK,
            &provider.state().requests.iter().cloned().collect::<Value>(),
        )),
        (&Method::DELETE, "/mock/requests") => {
            provider.state().requests.clear();
            Ok(answer::whole(StatusCode::OK, &json!({})))
        }
        (&Method::POST, "/mock/script") => Ok(provider.enqueue(&body)),
        (&Method::PUT, "/mock/script") => Ok(provider.set_default(&body)),
        (&Method::GET, _) if path.ends_with("/models") => {
            provider.remember(&head, &body);
            let model = json!({"id": "offline-echo", "object": "model", "created": 0, "owned_by": "keeptrusts"});
            Ok(answer::whole(
                StatusCode::OK,
                &json!({"object": "list", "data": [model]}),
            ))
        }
        (&Method::POST, _) => {
            let Some(endpoint) = Endpoint::of_path(path) else {
                return Ok(answer::error(
                    StatusCode::NOT_FOUND,
                    "the offline provider serves the endpoints of the OpenAI API that carry text",
                ));
            };
            provider.remember(&head, &body);
            let own = head
                .headers
                .get("x-mock-script")
                .map(|script| serde_json::from_slice(script.as_bytes()));
            let script = match own {
                Some(Ok(script)) => script,
                Some(Err(error)) => {
                    return Ok(answer::error(
                        StatusCode::BAD_REQUEST,
                        &format!("x-mock-script: {error}"),
                    ));
                }
                None => provider.next_script(),
            };
            answer::follow(script, endpoint, &body).await
        }
        _ => Ok(answer::error(StatusCode::NOT_FOUND, "unknown path")),
    }
}

impl Provider {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, body: &Bytes) -> Answer {
        match serde_json::from_slice::<Vec<Script>>(body) {
            Ok(scripts) => {
                self.state().queue.extend(scripts);
                answer::whole(StatusCode::OK, &json!({}))
            }
            Err(error) => answer::error(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn set_default(&self, body: &Bytes) -> Answer {
        match serde_json::from_slice(body) {
            Ok(script) => {
                self.state().default = script;
                answer::whole(StatusCode::OK, &json!({}))
            }
            Err(error) => answer::error(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn next_script(&self) -> Script {
        let mut state = self.state();
        state
            .queue
            .pop_front()
            .unwrap_or_else(|| state.default.clone())
    }

    fn remember(&self, head: &hyper::http::request::Parts, body: &Bytes) {
        if self.remember == 0 {
            return;
        }
        let headers: serde_json::Map<String, Value> = head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    json!(String::from_utf8_lossy(value.as_bytes())),
                )
            })
            .collect();
        let at_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64() * 1e3);
        let request = json!({"at_ms": at_ms, "method": head.method.as_str(), "path": head.uri.path(), "headers": headers, "body": String::from_utf8_lossy(body)});
        let mut state = self.state();
        if state.requests.len() >= self.remember {
            state.requests.pop_front();
        }
        state.requests.push_back(request);
    }
}

/// A response body that is known at once.
fn full(bytes: Vec<u8>) -> http_body_util::combinators::BoxBody<Bytes, std::io::Error> {
    Full::new(Bytes::from(bytes))
        .map_err(|never: Infallible| match never {})
        .boxed()
}

/// A response with a JSON body.
fn respond(status: StatusCode, content_type: &str, bytes: Vec<u8>) -> Answer {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert("content-type", value);
    }
    response
}
