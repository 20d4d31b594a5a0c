//! The control socket: tools of this program ask the daemon, one question a connection.
//!
//! It runs on control's thread and hands what reads or writes the state to a thread for what blocks, so it never touches a worker.
//! Questions are short, few connections are served at a time, and each has a few seconds for its question and again for taking
//! the answer. Who may connect is decided by the mode and the group of the socket's file.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::desk::Desk;
use crate::admin::message::{Answer, Ask, LONGEST_ASK};

/// Connections that are served at a time; others wait to be accepted.
const CONNECTIONS: usize = 16;
/// For sending a question, and for taking an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a failure to accept, as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the socket. Ends with the runtime.
pub(super) async fn serve(listener: StdListener, desk: Arc<Desk>) {
    let listener = match listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(error) => return log::error!("the control socket cannot be served: {error}; restart the daemon"),
    };
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    // A peer that went away has nobody to be told of it.
                    let _ = converse(stream, &desk).await;
                    drop(seat);
                });
            }
            Err(error) => {
                log::debug!("the control socket: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, desk: &Arc<Desk>) -> io::Result<()> {
    let asker = Asker::of(&stream);
    let mut line = Vec::new();
    let limit = LONGEST_ASK as u64 + 1;
    timeout(PATIENCE, BufReader::new((&mut stream).take(limit)).read_until(b'\n', &mut line)).await??;
    let answer = if line.len() > LONGEST_ASK {
        Answer::Error(format!("a question has at most {LONGEST_ASK} bytes"))
    } else {
        match serde_json::from_slice::<Ask>(&line) {
            Ok(ask) => desk.answer(ask, asker).await,
            Err(error) => {
                Answer::Error(format!("no question that this daemon knows: {error}; it is irongrey {VERSION}"))
            }
        }
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    timeout(PATIENCE, stream.write_all(&bytes)).await?
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who asks, for the line in the log that each change leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    uid: Option<u32>,
    pid: Option<i32>,
}

impl Asker {
    fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self { uid: credentials.map(|peer| peer.uid()), pid: credentials.and_then(|peer| peer.pid()) }
    }

    /// Leaves the line of a change.
    pub(super) fn audit(self, what: &str) {
        let Self { uid, pid } = self;
        let shown = |number: Option<i64>| number.map_or_else(|| "unknown".to_owned(), |number| number.to_string());
        log::info!("audit: uid={}, pid={}: {what}", shown(uid.map(i64::from)), shown(pid.map(i64::from)));
    }
}
