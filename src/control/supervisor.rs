//! [`Supervisor`]: what systemd, or whoever else supervises the daemon, is told of its life (`NOTIFY_SOCKET`).
//!
//! The socket is connected before the process is confined, and kept: Landlock lets nobody connect to an abstract socket
//! afterwards. While nobody supervises it nothing is sent. What cannot be sent is no reason not to serve.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use log::Level;
use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::metrics::{Counter, Totals};

const VARIABLE: &str = "NOTIFY_SOCKET";
/// How long a supervisor that reads nothing may hold control up.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at the workers while the supervisor asks for no sign of life: only its status line is renewed.
const UNWATCHED: Duration = Duration::from_secs(60);

/// The one who supervises the daemon, if there is one.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How long it waits for a sign of life.
    watchdog: Option<Duration>,
    /// Where connections are taken, for the status line.
    addresses: String,
    /// The last reload has changed nothing, as something is wrong.
    stale: bool,
}

impl Supervisor {
    /// Connects to the supervisor that the environment names. Says in `notices` if that fails.
    pub fn reach(notices: &mut Vec<(Level, String)>) -> Self {
        let named = env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let socket = named.and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let name = name.display();
                let text = format!("{VARIABLE}={name}: {error}; the service manager is told nothing");
                notices.push((Level::Warn, text));
                None
            }
        });
        let watchdog = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero() && socket.is_some());
        Self { socket, watchdog, addresses: String::new(), stale: false }
    }

    /// Names the addresses on which the daemon is going to serve.
    pub fn serves_on(&mut self, addresses: &str) {
        self.addresses = addresses.chars().map(|char| if char.is_control() { '?' } else { char }).collect();
    }

    /// The moments at which [`Supervisor::alive`] is due. Must be called inside a tokio runtime.
    pub(super) fn watch(&self) -> Interval {
        let period = self.watchdog.map_or(UNWATCHED, |limit| limit / 2);
        let mut watch = interval_at(Instant::now() + period, period);
        // After a time in which the whole process stood still, workers have a period to give a sign in.
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watch
    }

    /// The daemon serves.
    pub(super) fn ready(&self, totals: &Totals) {
        let status = self.status(totals);
        self.tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id()), NotifyState::Status(&status)]);
    }

    /// It reads its configuration again.
    pub(super) fn reloading(&self) {
        // Without the time a supervisor would not know which of several reloads this is; the clock never fails.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now, NotifyState::Status("reads its configuration again")]);
        }
    }

    /// It has read it, and uses it if that was `successful`; it serves as before.
    pub(super) fn reloaded(&mut self, successful: bool, totals: &Totals) {
        self.stale = !successful;
        self.ready(totals);
    }

    /// It ends.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("answers what it has received, then ends")]);
    }

    /// The sign of life, which is due at each tick of [`Supervisor::watch`]. None is given while a worker is silent: then the
    /// supervisor ends the daemon, if it watches it.
    pub(super) fn alive(&self, silent: &[usize], totals: &Totals) {
        if silent.is_empty() {
            let status = self.status(totals);
            self.tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
        } else {
            let silent: Vec<_> = silent.iter().map(|index| format!("worker-{index}")).collect();
            let status = format!("hangs: {}", silent.join(" "));
            log::error!(
                "{status}; no sign of life for the service manager, which restarts the daemon if it watches it"
            );
            self.tell(&[NotifyState::Status(&status)]);
        }
    }

    fn status(&self, totals: &Totals) -> String {
        let [requests, greylisted] = [Counter::Requests, Counter::Greylisted].map(|counter| totals.get(counter));
        let stale = if self.stale { "; the last reload failed, the log says why" } else { "" };
        format!("serves on {}; {requests} requests, {greylisted} of them greylisted{stale}", self.addresses)
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let message = states.iter().map(NotifyState::to_string).collect::<Vec<_>>().join("\n");
        if let Err(error) = socket.send(message.as_bytes()) {
            log::warn!("{VARIABLE}: {error}; the service manager does not learn {}", message.replace('\n', ", "));
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither a path from / on nor an abstract socket (@)",
            ));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
