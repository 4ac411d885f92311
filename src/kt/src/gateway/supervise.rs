//! Envoy as a child: started, watched, started again when it dies, ended with us.

use std::{
    env,
    io::Write as _,
    path::PathBuf,
    process::{ExitCode, ExitStatus},
    time::{Duration, Instant},
};

use kt_envoy_gen::WRITE_FAILURES;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command as Process},
    signal::unix::{Signal, SignalKind, signal},
    time::{sleep, timeout},
};

use super::{ability, reload::Reload};
use crate::{Failure, launch};
use kt_config::Gateway;

/// Envoy answers well within this, or something is wrong.
const START_LIMIT: Duration = Duration::from_mins(1);
/// What Envoy gets to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Waits between two starts.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// An Envoy that served for so long died of something new.
const STABLE: Duration = Duration::from_mins(1);
/// How often is looked whether exchanges still run.
const IDLE_PERIOD: Duration = Duration::from_millis(200);
/// Where Envoy tells everything that it counts, and no more than that.
const STATISTICS: &str = "/stats/prometheus";
const MOST_STATISTICS: u64 = 32 << 20;
/// How often is looked whether events could be written.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// What Envoy is started with.
pub(super) struct Envoy {
    /// The program.
    pub(super) binary: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// The socket where it tells how it is.
    pub(super) admin: PathBuf,
    /// Where it writes events.
    pub(super) event_log: String,
    /// What running exchanges get to end by themselves.
    pub(super) drain: Duration,
}

/// Why the watch over one Envoy ended.
enum End {
    /// A signal asks us to end.
    Asked,
    /// It died.
    Died(ExitStatus),
    /// It did not become ready.
    NotReady,
    /// It is ready, but without the listener for clients: somebody else took the address, or what only it can check is wrong.
    Deaf,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|_| Failure::usage("error: cannot listen for signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs Envoy until a signal asks for the end. `announce` is told once, when it serves for the first time.
pub(super) async fn supervise(
    envoy: &Envoy,
    reload: &mut Reload,
    announce: impl Fn(&Gateway, Duration),
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let mut has_served = false;
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        let mut child = envoy.start()?;
        let mut is_first = !has_served;
        let end = envoy
            .watch(&mut child, &mut signals, reload, |gateway, after| {
                has_served = true;
                if std::mem::take(&mut is_first) {
                    announce(gateway, after);
                } else {
                    eprintln!("Envoy serves again after {:.1} s", after.as_secs_f64());
                }
            })
            .await;
        let words = match end {
            End::Asked => {
                if has_served {
                    envoy.drain(&mut child, &mut signals, reload).await;
                }
                return stop(child).await;
            }
            End::Died(status) => format!("Envoy ended by itself ({status})"),
            End::NotReady => {
                let _ = stop(child).await;
                format!("Envoy was not ready after {} s", START_LIMIT.as_secs())
            }
            End::Deaf => {
                let _ = stop(child).await;
                "Envoy did not take the listener for clients".to_owned()
            }
        };
        if !has_served {
            if let Some(missing) = envoy.missing() {
                return Err(Failure::problem(missing));
            }
            return Err(Failure::problem(format!(
                "error: {words}; its messages are above"
            )));
        }
        if started.elapsed() > STABLE {
            wait = FIRST_WAIT;
        }
        eprintln!(
            "error: {words}; starting it again in {:.1} s",
            wait.as_secs_f64()
        );
        if timeout(wait, signals.any()).await.is_ok() {
            return Ok(ExitCode::SUCCESS);
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        reload.restore()?;
    }
}

impl Envoy {
    /// What it was built without, if that is why it does not serve.
    fn missing(&self) -> Option<String> {
        let mut arguments = self.arguments.iter();
        arguments.find(|argument| *argument == "-c")?;
        ability::missing(&self.binary, arguments.next()?)
    }

    fn start(&self) -> Result<Child, Failure> {
        let failed = |error: std::io::Error| {
            Failure::usage(format!(
                "error: cannot start {}: {error}",
                self.binary.display()
            ))
        };
        let mut process = Process::new(env::current_exe().map_err(failed)?);
        process
            .args(launch::arguments(&self.binary))
            .args(&self.arguments)
            .kill_on_drop(true);
        process.spawn().map_err(failed)
    }

    /// Waits until something ends it. Says when Envoy is ready, and when events are lost.
    async fn watch(
        &self,
        child: &mut Child,
        signals: &mut Signals,
        reload: &mut Reload,
        mut is_ready: impl FnMut(&Gateway, Duration),
    ) -> End {
        let started = Instant::now();
        tokio::select! {
            ended = child.wait() => return End::Died(ended.unwrap_or_default()),
            () = signals.any() => return End::Asked,
            ready = self.wait_until_ready() => if let Err(end) = ready { return end },
        }
        is_ready(reload.gateway(), started.elapsed());
        tokio::select! {
            ended = child.wait() => End::Died(ended.unwrap_or_default()),
            () = signals.any() => End::Asked,
            () = self.watch_events() => End::NotReady,
            () = reload.follow() => End::NotReady,
        }
    }

    /// Lets running exchanges end, for a while. New connections are refused from the beginning.
    async fn drain(&self, child: &mut Child, signals: &mut Signals, reload: &mut Reload) {
        if let Err(failure) = reload.close() {
            eprintln!("{}", failure.message);
            return;
        }
        tokio::select! {
            _ = child.wait() => {}
            () = signals.any() => eprintln!("a second signal: running exchanges are cut"),
            done = timeout(self.drain, self.wait_until_idle()) => if done.is_err() {
                eprintln!("exchanges still run after {} s; they are cut", self.drain.as_secs());
            },
        }
    }

    async fn wait_until_idle(&self) {
        loop {
            // Envoy looks at its files when it is told of a change, which takes it a moment.
            sleep(IDLE_PERIOD).await;
            let answer = self.ask(STATISTICS).await;
            if answer.is_ok_and(|answer| running(&answer) == Some(0)) {
                return;
            }
        }
    }

    /// Ready is an Envoy also when it refused what it read from a file, so that is asked for as well.
    async fn wait_until_ready(&self) -> Result<(), End> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            let answer = self.ask("/ready").await.unwrap_or_default();
            if answer.starts_with("HTTP/1.1 200") {
                match self.ask(STATISTICS).await.ok().as_deref().and_then(refused) {
                    Some(0) => return Ok(()),
                    Some(_) => return Err(End::Deaf),
                    None => {}
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(End::NotReady)
    }

    /// Says loudly that events could not be written. Envoy counts it as `filesystem.write_failed`.
    async fn watch_events(&self) {
        let mut lost = 0;
        loop {
            sleep(LOOK_PERIOD).await;
            let answer = self.ask(WRITE_FAILURES).await;
            let failed = answer.ok().and_then(|answer| failed_writes(&answer));
            if let Some(failed) = failed.filter(|failed| *failed > lost) {
                eprintln!(
                    "error: {} write(s) to the event log {} failed; their events are lost",
                    failed - lost,
                    self.event_log
                );
                lost = failed;
            }
        }
    }

    /// The answer of the admin interface.
    async fn ask(&self, path: &str) -> std::io::Result<String> {
        let asked = async {
            let mut stream = UnixStream::connect(&self.admin).await?;
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream
                .take(MOST_STATISTICS)
                .read_to_string(&mut answer)
                .await?;
            Ok(answer)
        };
        timeout(Duration::from_secs(5), asked).await?
    }
}

fn failed_writes(answer: &str) -> Option<u64> {
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("filesystem.write_failed: "))?;
    line.trim().parse().ok()
}

/// How many exchanges run through the listener for clients.
fn running(statistics: &str) -> Option<u64> {
    sample(
        statistics,
        "envoy_http_downstream_rq_active{envoy_http_conn_manager_prefix=\"kt\"}",
    )
}

/// How often Envoy refused the file with its listeners.
fn refused(statistics: &str) -> Option<u64> {
    sample(statistics, "envoy_listener_manager_lds_update_rejected{}")
}

fn sample(statistics: &str, name: &str) -> Option<u64> {
    let value = statistics
        .lines()
        .find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

/// Asks Envoy to end, and makes it.
async fn stop(mut child: Child) -> Result<ExitCode, Failure> {
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        // Fails only for a process that is gone, which the wait below sees.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    if timeout(STOP_LIMIT, child.wait()).await.is_err() {
        let killed = child.kill().await;
        killed.map_err(|error| Failure::problem(format!("error: Envoy does not end: {error}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Flushes what was printed: whoever waits for a line reads from a pipe.
pub(super) fn flush() {
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::failed_writes;

    #[test]
    fn failed_writes_are_read_from_the_statistics() {
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nfilesystem.write_failed: 17\n";
        assert_eq!(failed_writes(answer), Some(17));
        assert_eq!(failed_writes("HTTP/1.1 403 Forbidden\r\n\r\n"), None);
    }
}
