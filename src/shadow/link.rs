//! [`Link`]: one client's own connection to one server, made when it is needed. It takes questions one after the other and
//! gives each its outcome by its deadline.
//!
//! A connection carries one request at a time, and is closed when anything about it is not as it should be: no answer in
//! time, none at all, more than one. So an answer is always that to the request before it.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::reply::{Progress, progress};
use super::server::Server;
use super::stream::Stream;

/// How much of what is no answer is shown.
const SHOWN: usize = 64;

/// A request on its way to a server.
#[derive(Debug)]
pub(super) struct Question {
    /// The request's bytes, as they came.
    pub(super) request: Arc<[u8]>,
    pub(super) deadline: Instant,
    pub(super) outcome: oneshot::Sender<Outcome>,
}

/// What a server made of a request.
pub(super) type Outcome = Result<Answer, Silence>;

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its bytes, as they came.
    pub(super) reply: Vec<u8>,
    /// From when the server was turned to.
    pub(super) took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Silence {
    /// No connection can be made.
    #[error("no answer: cannot be reached: {0}")]
    Unreachable(String),
    /// None could be made a moment ago.
    #[error("no answer: could not be reached just now")]
    Down,
    /// The deadline has passed.
    #[error("no answer within the deadline")]
    Late,
    /// Earlier requests of the same client took all the time.
    #[error("not asked: it is too far behind with earlier requests")]
    Behind,
    /// The connection ended.
    #[error("no answer: the connection was closed")]
    Closed,
    /// The connection ended inside an answer.
    #[error("no answer: the connection was closed in the middle of one")]
    Torn,
    /// Something came, but no answer.
    #[error("no answer: sent what is none: {0}")]
    Wrong(String),
}

/// A client's way to one server.
pub(super) struct Link {
    server: Arc<Server>,
    /// Connected, and owing nothing.
    stream: Option<Stream>,
    reply: Vec<u8>,
}

impl Link {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, stream: None, reply: Vec::new() }
    }

    /// Sees to questions until there can be no more of them.
    pub(super) async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        while let Some(question) = questions.recv().await {
            let outcome = self.ask(&question).await;
            self.server.note(&outcome);
            // Whoever asked may be gone.
            let _ = question.outcome.send(outcome);
        }
    }

    async fn ask(&mut self, question: &Question) -> Outcome {
        let start = Instant::now();
        if start >= question.deadline {
            return Err(Silence::Behind);
        }
        let asked = timeout_at(question.deadline, self.exchange(&question.request)).await;
        let asked = asked.unwrap_or(Err(Silence::Late));
        if asked.is_err() {
            self.stream = None;
        }
        asked.map(|()| Answer { reply: std::mem::take(&mut self.reply), took: start.elapsed() })
    }

    /// Leaves the answer in `reply`. A server may close a connection that is idle, also just when a request is on its way:
    /// then, as Postfix does, it is asked once more on a new one.
    async fn exchange(&mut self, request: &[u8]) -> Result<(), Silence> {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.is_quiet()) {
            match attempt(stream, request, &mut self.reply).await {
                Err(Silence::Closed) => {}
                done => return done,
            }
        }
        self.stream = None;
        let stream = self.stream.insert(self.server.connect().await?);
        attempt(stream, request, &mut self.reply).await
    }
}

async fn attempt(stream: &mut Stream, request: &[u8], reply: &mut Vec<u8>) -> Result<(), Silence> {
    reply.clear();
    stream.write(request).await.map_err(|_| Silence::Closed)?;
    loop {
        match stream.read(reply).await {
            Ok(0) | Err(_) if reply.is_empty() => return Err(Silence::Closed),
            Ok(0) | Err(_) => return Err(Silence::Torn),
            Ok(_) => {}
        }
        match progress(reply) {
            Progress::Whole => return Ok(()),
            Progress::Partial => {}
            Progress::Wrong => {
                let shown = &reply[..reply.len().min(SHOWN)];
                return Err(Silence::Wrong(shown.escape_ascii().to_string()));
            }
        }
    }
}
