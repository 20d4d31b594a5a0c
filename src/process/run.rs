//! A daemon's life: what needs root, then what needs files, then threads, then waiting, then all of it backwards.
//!
//! The sockets come first, so that connections wait in their queues while the state opens. Nothing before
//! [`Identity::assume`] starts a thread. Each thread ends before what it uses is closed.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use arc_swap::ArcSwap;
use log::Level;
use nix::sys::stat::{Mode, umask};

use super::confine::confine;
use super::privileges::{self, Identity};
use super::{DaemonizeError, Notices, RunError, daemonize, limits, panics, pidfile::Pidfile, state_dir, tools};
use crate::clock::UnixSecs;
use crate::config::lists;
use crate::config::{self, Asked, Configured, Host, Settings};
use crate::control::{self, Control, Desk, Fresh, ReleaseBook, Reload, Supervisor, Upkeep};
use crate::logs::{self, Producer};
use crate::metrics::Registry;
use crate::store::{self, Store};
use crate::worker::{self, BindError, Bound, Inherited, PATIENCE, Running, Shared, WorkerParts};

/// Runs the daemon until it is told to stop. With `--daemonize` the code is that of the background process if it failed.
/// `inherited` are the sockets that were handed over, as `host` names them.
pub fn run(asked: &Asked, host: &Host, inherited: Inherited) -> Result<ExitCode, RunError> {
    let configured = asked.read(host)?;
    let wanted = Wanted { asked, host, configured: &configured };
    if !configured.settings.process.daemonize {
        serve(wanted, inherited, || Ok(()))?;
    } else if !inherited.is_empty() {
        return Err(DaemonizeError::HandedOver.into());
    } else if daemonize::is_child() {
        daemonize::detach()?;
        serve(wanted, inherited, || Ok(daemonize::report_ready()?))?;
    } else {
        return Ok(daemonize::start_child()?);
    }
    Ok(ExitCode::SUCCESS)
}

/// What an administrator wants, as it was said and as it was understood.
#[derive(Clone, Copy)]
struct Wanted<'w> {
    asked: &'w Asked,
    host: &'w Host,
    configured: &'w Configured,
}

/// What had to be done before the privileges were dropped.
struct Prepared {
    listeners: Vec<Bound>,
    control: Option<Bound>,
    max_connections: usize,
    fresh: Fresh,
    pidfile: Option<Pidfile>,
    supervisor: Supervisor,
    notices: Notices,
}

fn serve(
    wanted: Wanted<'_>,
    inherited: Inherited,
    ready: impl FnOnce() -> Result<(), RunError>,
) -> Result<(), RunError> {
    let settings = &wanted.configured.settings;
    control::hold_signals().map_err(RunError::Threads)?;
    let Prepared { listeners, control, max_connections, fresh, mut pidfile, mut supervisor, notices } =
        prepare(settings, inherited)?;
    let (producers, log) = logs::start(&settings.logs, settings.program, settings.workers)?;
    panics::end_on_panic();
    for (level, text) in notices {
        log::log!(level, "{text}");
    }
    store::exit_on_bus_error().map_err(RunError::Threads)?;
    let store = Store::open(&settings.state, &fresh.live.terms_of_state(), settings.workers, UnixSecs::now())?;
    pidfile.as_mut().map_or(Ok(()), Pidfile::write)?;
    fresh.tell();
    let counters = Arc::new(Registry::default());
    counters.include(log.counters());
    let addresses = addresses(&listeners).join(" ");
    supervisor.serves_on(&addresses);
    let wiring = Wiring { wanted, listeners, control, max_connections, fresh, producers };
    let threads = Threads::start(wiring, &store, &counters)?;
    let version = env!("CARGO_PKG_VERSION");
    log::info!("irongrey {version} serves on {addresses}, state in {}", settings.state.dir.display());
    ready()?;

    threads.run_until_stopped(supervisor);
    store.close();
    log::info!("stopped; counters: {}", counters.totals());
    log.stop();
    Ok(())
}

/// What the threads are made of.
struct Wiring<'w> {
    wanted: Wanted<'w>,
    listeners: Vec<Bound>,
    control: Option<Bound>,
    max_connections: usize,
    fresh: Fresh,
    producers: Vec<Producer>,
}

/// What works while the daemon serves.
struct Threads {
    control: Control,
    upkeep: Upkeep,
    workers: Running,
}

impl Threads {
    fn start(wiring: Wiring<'_>, store: &Arc<Store>, counters: &Arc<Registry>) -> Result<Self, RunError> {
        let Wiring { wanted, listeners, control, max_connections, fresh, producers } = wiring;
        let Wanted { asked, host, configured } = wanted;
        let settings = &configured.settings;
        for set in store.counters() {
            counters.include(Arc::clone(set));
        }
        let parts = producers.into_iter();
        let parts = parts.map(|log| WorkerParts { writer: store.writer(), log, counters: counters.counters() });
        let (releases, table) = ReleaseBook::open(store, UnixSecs::now());
        let shared = Arc::new(Shared {
            live: ArcSwap::from_pointee(fresh.live),
            releases: ArcSwap::from_pointee(table),
            secret: *store.secret(),
            test_clock: settings.test_clock,
            latest_test_time: AtomicU32::new(0),
            close_after_reply: settings.close_after_reply,
            patience: PATIENCE,
            listener_counters: counters.counters(),
        });
        let reload = Reload::new(asked, host, configured, fresh.sources, &shared, store);
        let desk = Desk::new(&shared, store, counters, releases, settings);
        let tools = control.map(|socket| (socket, desk));
        let control = Control::new(reload, Arc::clone(counters), tools).map_err(RunError::Threads)?;
        let upkeep = Upkeep::start(store, &settings.state, &shared).map_err(RunError::Threads)?;
        let workers = worker::start(listeners, &shared, parts.collect(), max_connections)?;
        Ok(Self { control, upkeep, workers })
    }

    /// Workers end first: until then they may need the spares that upkeep makes.
    fn run_until_stopped(self, supervisor: Supervisor) {
        self.control.run(supervisor, &self.workers);
        self.workers.stop();
        self.upkeep.stop();
    }
}

/// All that may need root. Ends with the daemon's own user and group.
fn prepare(settings: &Settings, inherited: Inherited) -> Result<Prepared, RunError> {
    let mut notices = Notices::new();
    // The directories above the state are everybody's to pass through, whatever the administrator's own files are.
    umask(Mode::from_bits_truncate(0o022));
    let identity = privileges::choose(&settings.process, &mut notices)?;
    let max_connections = limits::raise_open_files(settings.max_connections, settings.workers, &mut notices);
    let group = privileges::socket_group(settings.socket_group.as_deref(), "--socket-group", identity.as_ref())?;
    let listeners = listen(settings, inherited, group)?;
    privileges::give_sockets(&listeners, identity.as_ref())?;
    state_dir::prepare(&settings.state.dir, identity.as_ref())?;
    let control = tools::bind(settings, identity.as_ref(), &mut notices)?;
    let pidfile = settings.process.pidfile.as_deref().map(Pidfile::reserve).transpose()?;
    let fresh = control::load(settings, &[])?;
    identity.as_ref().map_or(Ok(()), Identity::assume)?;
    let supervisor = Supervisor::reach(&mut notices);
    confine(settings, &listeners, &mut notices)?;
    let again = "SIGHUP will not read everything again";
    for error in lists::unreadable(&fresh.sources) {
        notices.push((Level::Warn, format!("{again}: {error}")));
    }
    for error in settings.own_files().filter_map(|path| config::check_readable(path).err()) {
        notices.push((Level::Warn, format!("{again}: configuration {error}")));
    }
    if settings.test_clock {
        notices.push((Level::Warn, "--test-clock: each client can set the time".to_owned()));
    }
    if let Some(first) = settings.unread.first() {
        let text = format!(
            "not read, as it follows the word {first}, which is no option: {}; postgrey reads no further either",
            settings.unread.join(" ")
        );
        notices.push((Level::Warn, text));
    }
    if settings.listen.iter().any(|socket| socket.open_address().is_some()) {
        let text =
            "listening on an address that is not loopback: whoever reaches it can whitelist itself; use a firewall";
        notices.push((Level::Warn, text.to_owned()));
    }
    Ok(Prepared { listeners, control, max_connections, fresh, pidfile, supervisor, notices })
}

/// All sockets: those that were handed over, then those of the settings that are not among them.
fn listen(settings: &Settings, inherited: Inherited, group: Option<u32>) -> Result<Vec<Bound>, BindError> {
    let backlog = settings.listen_queue_size;
    let own: Vec<_> = settings.listen.iter().filter(|listen| !inherited.serve(listen)).collect();
    let own = own.into_iter().map(|listen| worker::bind(listen, settings.socket_mode, group, backlog));
    inherited.bound(backlog).into_iter().chain(own).collect()
}

/// Where connections are really taken: a port of 0 has become one by now.
pub(crate) fn addresses(listeners: &[Bound]) -> Vec<String> {
    listeners.iter().filter_map(Bound::address).map(|address| address.to_string()).collect()
}
