//! The shadow's life: what needs root, then the log, then one thread that does everything in a tokio runtime, until a signal.
//!
//! SIGUSR1 asks for a summary; there is one every ten minutes as well, and the last one comes with the end. At the end what
//! was asked is answered and compared before the process goes. SIGHUP does not end it: Postfix goes on asking when the
//! terminal is gone that the shadow was started from.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use nix::sys::stat::{Mode, umask};
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at, timeout};

use super::accept::Acceptor;
use super::client::longest_settlement;
use super::seats::Seats;
use super::server::Server;
use super::tally::Tally;
use super::{Alive, Shared};
use crate::config::{ShadowSettings, Side};
use crate::logs::{self, LogError};
use crate::metrics::{Counter, Counters};
use crate::process::privileges::{self, Identity, PrivilegeError};
use crate::process::{Notices, addresses, limits};
use crate::worker::{self, BindError, Bound, Warnings};

const SUMMARY_EVERY: Duration = Duration::from_secs(600);
/// Files that are open beside those of the clients.
const RESERVE: u64 = 32;
/// Files of each client: its own connection, and one to either server.
const FILES_A_CLIENT: u64 = 3;

/// Why the shadow did not serve. Each part says what, where, and what to do.
#[derive(Debug, Error)]
#[error(transparent)]
#[allow(missing_docs, reason = "each variant is named by the error that it holds")]
pub enum ShadowError {
    Bind(#[from] BindError),
    Privileges(#[from] PrivilegeError),
    Logs(#[from] LogError),
    /// The system has no event queue, timer or signal to give.
    #[error("cannot watch sockets and signals: {0}; raise the limit of open files (ulimit -n, LimitNOFILE=)")]
    Watch(#[source] io::Error),
}

impl ShadowError {
    /// The exit code: 2 for what the administrator has to put right, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Privileges(error) => error.exit_code(),
            Self::Bind(_) | Self::Logs(_) | Self::Watch(_) => 1,
        }
    }
}

/// Runs the shadow until it is told to stop.
pub fn run(settings: &ShadowSettings) -> Result<(), ShadowError> {
    let mut notices = Notices::new();
    umask(Mode::from_bits_truncate(0o022));
    let identity = privileges::choose(&settings.process, &mut notices)?;
    let max_clients = max_clients(settings.max_connections, &mut notices);
    let group = privileges::socket_group(settings.socket_group.as_deref(), "--socket-group", identity.as_ref())?;
    let bind = |socket| worker::bind(socket, settings.socket_mode, group, settings.listen_queue_size);
    let listeners = settings.listen.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    privileges::give_sockets(&listeners, identity.as_ref())?;
    identity.as_ref().map_or(Ok(()), Identity::assume)?;
    if settings.listen.iter().any(|socket| socket.open_address().is_some()) {
        let text =
            "listening on an address that is not loopback: whoever reaches it can ask both servers; use a firewall";
        notices.push((Level::Warn, text.to_owned()));
    }
    let (_, log) = logs::start(&settings.logs, "irongrey", 0)?;
    for (level, text) in notices {
        log::log!(level, "{text}");
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ShadowError::Watch)?;
    let counters = log.counters();
    runtime.block_on(serve(settings, listeners, max_clients, &counters)).map_err(ShadowError::Watch)?;
    log.stop();
    Ok(())
}

async fn serve(
    settings: &ShadowSettings,
    listeners: Vec<Bound>,
    max_clients: usize,
    log_counters: &Counters,
) -> io::Result<()> {
    let mut signals = Signals::take_over()?;
    let shared = Arc::new(shared(settings));
    let (stop, stopped) = watch::channel(false);
    let (alive, mut all_gone) = mpsc::channel(1);
    let alive = Alive { stop: stopped, _alive: alive };
    let seats = Arc::new(Seats::new(max_clients));
    let at = addresses(&listeners).join(" ");
    let acceptors = listeners.into_iter().map(Acceptor::new).collect::<io::Result<Vec<_>>>()?;
    let accept =
        |acceptor: Acceptor| tokio::spawn(acceptor.run(Arc::clone(&seats), Arc::clone(&shared), alive.clone()));
    let accepting: Vec<_> = acceptors.into_iter().map(accept).collect();
    for server in &shared.servers {
        let (server, limit) = (Arc::clone(server), shared.deadline);
        tokio::spawn(async move { server.try_out(limit).await });
    }
    let [old, new] = &shared.servers;
    let (version, answer) = (env!("CARGO_PKG_VERSION"), settings.answer.name());
    log::info!("irongrey {version} shadows on {at}: asks {old} and {new}, and answers with the {answer} one's answer");

    let summary = || format!("{} log_lines_dropped={}", shared.tally, log_counters.get(Counter::LogLinesDropped));
    let signal = signals.until_stop(|| log::info!("summary: {}", summary())).await;
    for accepting in &accepting {
        accepting.abort();
    }
    stop.send_replace(true);
    drop(alive);
    // Every client and every comparison holds a sender; nothing is ever sent.
    let _ = timeout(longest_settlement(&shared), all_gone.recv()).await;
    log::info!("stopped on {signal}; summary: {}", summary());
    Ok(())
}

fn shared(settings: &ShadowSettings) -> Shared {
    let [old, new] = settings.servers.clone();
    Shared {
        servers: [Arc::new(Server::new(Side::Old, old)), Arc::new(Server::new(Side::New, new))],
        answer: settings.answer,
        deadline: settings.deadline,
        tally: Tally::default(),
        warnings: Warnings::new(),
    }
}

/// As many clients as there can be files for.
fn max_clients(asked: usize, notices: &mut Notices) -> usize {
    let Some(limit) = limits::open_files() else { return asked };
    let room = usize::try_from(limit.saturating_sub(RESERVE) / FILES_A_CLIENT).unwrap_or(usize::MAX).max(1);
    if room < asked {
        let text = format!(
            "only {limit} files may be open, so {room} connections instead of --max-connections={asked}; raise the limit \
             (ulimit -Hn, LimitNOFILE=)"
        );
        notices.push((Level::Warn, text));
    }
    room.min(asked)
}

/// The signals that the shadow knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    summary: Signal,
}

impl Signals {
    fn take_over() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            summary: signal(SignalKind::user_defined1())?,
        })
    }

    /// Has summaries written until a signal tells to stop; its name.
    async fn until_stop(&mut self, write_summary: impl Fn()) -> &'static str {
        let mut report = interval_at(Instant::now() + SUMMARY_EVERY, SUMMARY_EVERY);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => log::info!("SIGHUP: serves on; there is nothing to read again"),
                _ = self.summary.recv() => write_summary(),
                _ = report.tick() => write_summary(),
            }
        }
    }
}
