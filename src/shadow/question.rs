//! [`Links`] puts one request to both servers; [`Pending`] says which answer goes out, and has both outcomes in the end.
//!
//! The chosen server's answer goes out as soon as it is there. The other's takes its place when the chosen one has none, or
//! hangs and has none yet. Each outcome is there by the deadline, so that nothing here needs a clock.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::link::{Answer, Link, Outcome, Question, Silence};
use super::server::Server;
use crate::config::Side;
use crate::policy::DUNNO;

/// Requests of one client that may wait for a server that is slower than the one whose answers go out.
const MAX_BEHIND: usize = 128;

/// One client's connections to both servers.
pub(super) struct Links([(Arc<Server>, mpsc::Sender<Question>); 2]);

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The chosen server.
    Chosen,
    /// The other one.
    Other,
    /// Neither had one.
    Neither,
}

impl Links {
    pub(super) fn open(servers: &[Arc<Server>; 2]) -> Self {
        Self(servers.each_ref().map(|server| {
            let (sender, questions) = mpsc::channel(MAX_BEHIND);
            tokio::spawn(Link::new(Arc::clone(server)).run(questions));
            (Arc::clone(server), sender)
        }))
    }

    /// Sends the request to both.
    pub(super) fn ask(&self, request: &Arc<[u8]>, deadline: Instant) -> Pending {
        Pending(self.0.each_ref().map(|(server, link)| {
            let (outcome, receiver) = oneshot::channel();
            let question = Question { request: Arc::clone(request), deadline, outcome };
            let refused = link.try_send(question).is_err();
            Awaited { server: Arc::clone(server), receiver, outcome: refused.then_some(Err(Silence::Behind)) }
        }))
    }
}

/// A request that both servers have.
pub(super) struct Pending([Awaited; 2]);

struct Awaited {
    server: Arc<Server>,
    receiver: oneshot::Receiver<Outcome>,
    outcome: Option<Outcome>,
}

impl Awaited {
    /// The outcome, once it is there.
    async fn wait(&mut self) -> &Outcome {
        if self.outcome.is_none() {
            self.outcome = Some((&mut self.receiver).await.unwrap_or(Err(Silence::Closed)));
        }
        self.outcome.get_or_insert(Err(Silence::Closed))
    }

    fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok())
    }
}

impl Pending {
    /// The bytes that go out, once it is clear which.
    pub(super) async fn answer(&mut self, side: Side) -> (Vec<u8>, Source) {
        let [old, new] = &mut self.0;
        let (chosen, other) = if side == Side::Old { (old, new) } else { (new, old) };
        loop {
            if let Some(answer) = chosen.answer() {
                return (answer.reply.clone(), Source::Chosen);
            }
            let gives_way = chosen.outcome.is_some() || chosen.server.hangs();
            if gives_way && let Some(answer) = other.answer() {
                return (answer.reply.clone(), Source::Other);
            }
            match (chosen.outcome.is_some(), other.outcome.is_some()) {
                (true, true) => return (DUNNO.to_vec(), Source::Neither),
                (true, false) => _ = other.wait().await,
                (false, true) => _ = chosen.wait().await,
                (false, false) => tokio::select! {
                    biased;
                    _ = chosen.wait() => {}
                    _ = other.wait() => {}
                },
            }
        }
    }

    /// Both outcomes, in the order of [`Side::BOTH`], at the deadline at the latest.
    pub(super) async fn outcomes(self) -> [Outcome; 2] {
        let [mut old, mut new] = self.0;
        [old.wait().await.clone(), new.wait().await.clone()]
    }
}
