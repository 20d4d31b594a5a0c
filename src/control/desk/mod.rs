//! [`Desk`]: answers what the control socket is asked.
//!
//! | file | what |
//! |---|---|
//! | `triplets.rs` | one triplet or client: explained, released, forgotten |
//! | `releases.rs` | senders and recipients that are released for a time |
//! | `stats.rs` | the daemon in figures |
//!
//! What reads or writes the state runs on the one thread for what blocks, one question at a time: the desk has one way into the
//! state, as each worker has.

mod releases;
mod stats;
#[cfg(test)]
mod tests;
mod triplets;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::socket::Asker;
use crate::admin::message::{Answer, Ask};
use crate::clock::UnixSecs;
use crate::config::Settings;
use crate::metrics::Registry;
use crate::store::{Store, Writer};
use crate::worker::Shared;
pub use releases::ReleaseBook;

/// What forgets takes back also what came in the same second, so the answer waits for the end of it.
const A_SECOND: Duration = Duration::from_secs(1);

/// What the answers are made of.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    store: Arc<Store>,
    counters: Arc<Registry>,
    writer: Mutex<Writer>,
    releases: Mutex<ReleaseBook>,
    workers: usize,
    max_state: u64,
    begun: Instant,
}

impl Desk {
    /// The desk of a daemon that begins to serve.
    pub fn new(
        shared: &Arc<Shared>,
        store: &Arc<Store>,
        counters: &Arc<Registry>,
        releases: ReleaseBook,
        settings: &Settings,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            store: Arc::clone(store),
            counters: Arc::clone(counters),
            writer: Mutex::new(store.writer()),
            releases: Mutex::new(releases),
            workers: settings.workers,
            max_state: settings.state.max_size,
            begun: Instant::now(),
        }
    }

    /// Answers one question, and leaves a line in the log if that changed anything.
    pub(super) async fn answer(self: &Arc<Self>, ask: Ask, asker: Asker) -> Answer {
        let forgets = matches!(ask, Ask::Forget(_) | Ask::ForgetClient { .. });
        let desk = Arc::clone(self);
        let answer = spawn_blocking(move || desk.work(ask)).await;
        let answer = answer.unwrap_or_else(|error| Answer::Failure(format!("the daemon failed: {error}")));
        if let Answer::Done(what) = &answer {
            asker.audit(what);
            if forgets {
                sleep(A_SECOND).await;
            }
        }
        answer
    }

    fn work(&self, ask: Ask) -> Answer {
        let answer = match ask {
            Ask::Explain(triplet) => self.explain(&triplet),
            Ask::Release(triplet) => self.release(&triplet),
            Ask::Forget(triplet) => self.forget(&triplet),
            Ask::ForgetClient { client } => self.forget_client(&client),
            Ask::ReleaseFor(period) => self.release_for(period),
            Ask::EndRelease(party) => self.end_release(&party),
            Ask::Releases => Ok(self.who_is_released()),
            Ask::Stats => Ok(Answer::Stats(Box::new(self.stats()))),
        };
        answer.unwrap_or_else(|refusal| match refusal {
            Refusal::Question(what) => Answer::Error(what),
            Refusal::Daemon(what) => Answer::Failure(what),
        })
    }

    /// The time by which requests are decided.
    fn now(&self) -> UnixSecs {
        self.shared.now()
    }
}

/// Why there is no answer, as whoever asked is told. Nothing was changed.
#[derive(Debug)]
enum Refusal {
    /// The question is at fault.
    Question(String),
    /// The daemon is, or its machine.
    Daemon(String),
}

impl From<String> for Refusal {
    fn from(what: String) -> Self {
        Self::Question(what)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
