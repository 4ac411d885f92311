//! The admin address: what Envoy tells of itself, and the one thing that can be asked of `kt`.
//!
//! | request | answer |
//! |---|---|
//! | `GET` of [`ADMIN_PATHS`] | Envoy's |
//! | `POST /keeptrusts/config/reload` | 200 `{"status": "applied" or "unchanged", "generation": N}`; 422 with the diagnostics of a file that is refused |
//! | anything else | 403 |
//!
//! Envoy itself listens on a socket in the private folder, which leads nowhere else.

use std::{
    convert::Infallible,
    net::TcpListener as Listener,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1 as client,
    header::{CONTENT_TYPE, HOST, HeaderValue, ORIGIN},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use kt_envoy_gen::ADMIN_PATHS;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, UnixStream},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::reload::{Ask, Outcome};
use crate::Failure;

/// Asks for a reload.
const RELOAD: &str = "/keeptrusts/config/reload";
/// What Envoy gets to answer, and a reload to be done.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest path of a socket that every Unix takes (`sockaddr_un`, less its end).
const LONGEST_PIPE: usize = 103;

type Body = BoxBody<Bytes, hyper::Error>;
type Answer = Response<Body>;

/// The way from here to who follows the policy file. One ask at a time is enough.
pub(super) fn asks() -> (mpsc::Sender<Ask>, mpsc::Receiver<Ask>) {
    mpsc::channel(1)
}

/// Where Envoy's own interface listens.
pub(super) fn pipe(folder: &Path) -> Result<PathBuf, Failure> {
    let pipe = folder.join("admin.sock");
    if pipe.as_os_str().len() > LONGEST_PIPE {
        return Err(Failure::usage(format!(
            "error: {} is too long for a socket\nhint: set TMPDIR to a shorter path",
            pipe.display()
        )));
    }
    Ok(pipe)
}

/// Serves until the runtime ends.
pub(super) fn serve(
    listener: Listener,
    pipe: PathBuf,
    asks: mpsc::Sender<Ask>,
) -> Result<(), Failure> {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener));
    let listener = listener
        .map_err(|error| Failure::usage(format!("error: cannot serve --admin: {error}")))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // No file descriptor is left, for example.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (pipe, asks) = (pipe.clone(), asks.clone());
            tokio::spawn(async move {
                let service =
                    service_fn(move |request| answer(request, pipe.clone(), asks.clone()));
                // Who hangs up ends nothing else.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(LIMIT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    pipe: PathBuf,
    asks: mpsc::Sender<Ask>,
) -> Result<Answer, Infallible> {
    let target = request.uri().path_and_query();
    let path = target.map_or("", |target| target.as_str());
    // A page that somebody has open in a browser on this machine is not the operator.
    let is_page = request.headers().contains_key(ORIGIN);
    Ok(match *request.method() {
        Method::POST if path == RELOAD && !is_page => reload(&asks).await,
        Method::GET if ADMIN_PATHS.contains(&path) => {
            let asked = timeout(LIMIT, envoys(&pipe, path)).await;
            asked.ok().flatten().unwrap_or_else(unavailable)
        }
        _ => problem(
            StatusCode::FORBIDDEN,
            "forbidden",
            "This is not served here",
        ),
    })
}

/// Envoy's answer, as it comes.
async fn envoys(pipe: &Path, path: &str) -> Option<Answer> {
    let stream = UnixStream::connect(pipe).await.ok()?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, "admin");
    let answer = sender
        .send_request(request.body(Empty::<Bytes>::new()).ok()?)
        .await
        .ok()?;
    let mut forwarded = Response::new(());
    *forwarded.status_mut() = answer.status();
    if let Some(kind) = answer.headers().get(CONTENT_TYPE) {
        forwarded.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    Some(forwarded.map(|()| answer.into_body().boxed()))
}

async fn reload(asks: &mpsc::Sender<Ask>) -> Answer {
    let (ask, report) = oneshot::channel();
    let asked = timeout(LIMIT, async {
        asks.send(ask).await.ok()?;
        report.await.ok()
    });
    let Some(report) = asked.await.ok().flatten() else {
        return unavailable();
    };
    let status = match report.outcome {
        Outcome::Applied => "applied",
        Outcome::Unchanged => "unchanged",
        Outcome::Refused => {
            return problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "config_refused",
                report.message.trim_end(),
            );
        }
    };
    whole(
        StatusCode::OK,
        &json!({"status": status, "generation": report.generation}),
    )
}

/// Envoy is being started.
fn unavailable() -> Answer {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "Envoy does not answer at the moment",
    )
}

fn problem(status: StatusCode, code: &str, message: &str) -> Answer {
    let error = json!({"type": "validation_error", "code": code, "message": message});
    whole(status, &json!({"error": error}))
}

fn whole(status: StatusCode, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
