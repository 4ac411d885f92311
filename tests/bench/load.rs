//! A closed-loop HTTP/1.1 load: each connection sends the next request when the last one is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::texts::Session;

/// Figures of one round.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Sessions per second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) first_token_ms: f64,
}

/// Times of one exchange.
#[derive(Clone, Copy)]
struct Times {
    first_token: Duration,
    whole: Duration,
}

/// Sends all `sessions` to `port`, so many at a time.
pub(crate) async fn run_round(
    port: u16,
    connections: usize,
    sessions: &Arc<Vec<Session>>,
) -> Result<Sample, String> {
    let begin = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for _ in 0..connections {
        running.spawn(connection(port, Arc::clone(sessions), Arc::clone(&next)));
    }
    let mut times = Vec::new();
    while let Some(joined) = running.join_next().await {
        times.extend(joined.map_err(|error| error.to_string())??);
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few sessions")]
    let rate = sessions.len() as f64 / begin.elapsed().as_secs_f64();
    let millis = |figure: fn(&Times) -> Duration, quantile: f64| {
        let mut figures: Vec<Duration> = times.iter().map(figure).collect();
        figures.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a short list"
        )]
        let at = ((figures.len() as f64 - 1.0) * quantile).round() as usize;
        figures
            .get(at)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    Ok(Sample {
        rate,
        p50_ms: millis(|times| times.whole, 0.5),
        p99_ms: millis(|times| times.whole, 0.99),
        first_token_ms: millis(|times| times.first_token, 0.5),
    })
}

async fn connection(
    port: u16,
    sessions: Arc<Vec<Session>>,
    next: Arc<AtomicUsize>,
) -> Result<Vec<Times>, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|error| error.to_string())?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let mut times = Vec::new();
    while let Some(session) = sessions.get(next.fetch_add(1, Ordering::Relaxed)) {
        for request in session {
            times.push(exchange(&mut stream, request).await?);
        }
    }
    Ok(times)
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<Times, String> {
    let begin = Instant::now();
    stream
        .write_all(request)
        .await
        .map_err(|error| error.to_string())?;
    let mut answer: Vec<u8> = Vec::with_capacity(256 << 10);
    let mut first_token = None;
    let mut searched = 0;
    loop {
        let read = stream
            .read_buf(&mut answer)
            .await
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the gateway closed the connection".into());
        }
        if first_token.is_none() && has_token(answer.get(searched..).unwrap_or_default()) {
            first_token = Some(begin.elapsed());
        }
        searched = answer.len().saturating_sub(16);
        if is_complete(&answer)? {
            let whole = begin.elapsed();
            return Ok(Times {
                first_token: first_token.unwrap_or(whole),
                whole,
            });
        }
    }
}

/// Whether some text of the answer is there.
fn has_token(bytes: &[u8]) -> bool {
    const MEMBER: &[u8] = b"\"content\":\"";
    bytes
        .windows(MEMBER.len() + 1)
        .any(|window| window.starts_with(MEMBER) && !window.ends_with(b"\""))
}

fn is_complete(answer: &[u8]) -> Result<bool, String> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).to_lowercase();
    if !head.starts_with("http/1.1 200") {
        let body = String::from_utf8_lossy(answer.get(end..).unwrap_or_default());
        return Err(format!("unexpected answer: {head}{body}"));
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.trim().parse::<usize>().ok());
    Ok(match length {
        Some(length) => answer.len() >= end + 4 + length,
        None => answer.ends_with(b"0\r\n\r\n"),
    })
}
