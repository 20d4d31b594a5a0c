//! Control: everything that is no request. Signals and timers run on the main thread, in a tokio runtime of its own that
//! never touches a policy connection; the state's upkeep and syncing, which block on the disk, have a thread each.

mod desk;
mod reload;
mod signals;
mod socket;
mod supervisor;
mod upkeep;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

pub use desk::{Desk, ReleaseBook};
pub use reload::{Fresh, Reload, load};
pub use signals::hold as hold_signals;
use signals::{Event, Signals};
pub use supervisor::Supervisor;
pub use upkeep::Upkeep;

use crate::metrics::Registry;
use crate::worker::{Bound, Running, SocketFile};

/// How often the counters are logged.
const COUNTERS_EVERY: Duration = Duration::from_secs(600);

/// Signals and timers, listening from [`Control::new`] on.
#[derive(Debug)]
pub struct Control {
    runtime: Runtime,
    signals: Signals,
    reload: Reload,
    counters: Arc<Registry>,
    /// Removes the control socket's file at the end.
    _socket: Option<SocketFile>,
}

impl Control {
    /// Takes over the signals: from now on they wait for [`Control::run`] instead of ending the process. `tools` ask over the control
    /// socket.
    pub fn new(reload: Reload, counters: Arc<Registry>, tools: Option<(Bound, Desk)>) -> io::Result<Self> {
        let runtime = runtime()?;
        let signals = {
            let _inside = runtime.enter();
            Signals::take_over()?
        };
        let socket = tools.and_then(|(socket, desk)| {
            let (file, listener) = socket.into_unix()?;
            runtime.spawn(socket::serve(listener, Arc::new(desk)));
            Some(file)
        });
        Ok(Self { runtime, signals, reload, counters, _socket: socket })
    }

    /// Acts on signals and timers until the daemon is told to stop, and tells the supervisor about it.
    pub fn run(self, mut supervisor: Supervisor, workers: &Running) {
        let Self { runtime, mut signals, mut reload, counters, _socket } = self;
        runtime.block_on(async {
            let mut report = interval_at(Instant::now() + COUNTERS_EVERY, COUNTERS_EVERY);
            let mut watch = supervisor.watch();
            supervisor.ready(&counters.totals());
            loop {
                tokio::select! {
                    event = signals.next() => match event {
                        Event::Stop(signal) => {
                            log::info!("stopping on {signal}");
                            supervisor.stopping();
                            return;
                        }
                        Event::Reload => {
                            supervisor.reloading();
                            // Blocks the timers for the time of reading the files, and nobody else.
                            supervisor.reloaded(reload.run(), &counters.totals());
                        }
                    },
                    _ = report.tick() => log::info!("counters: {}", counters.totals()),
                    _ = watch.tick() => supervisor.alive(&workers.silent_workers(), &counters.totals()),
                }
            }
        });
    }
}

/// A runtime whose one thread for what blocks is there from the beginning and stays. Where no thread can be had any more, the first
/// question would end the daemon: tokio panics then.
fn runtime() -> io::Result<Runtime> {
    let builder = &mut Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).thread_keep_alive(Duration::MAX).build()?;
    // An error while it can still be one.
    let _ = thread::Builder::new().spawn(|| ())?.join();
    runtime.block_on(async { spawn_blocking(|| ()).await }).map_err(io::Error::other)?;
    Ok(runtime)
}
