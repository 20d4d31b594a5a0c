//! What a tool asks the daemon, and what it is told: one line of JSON each way on the control socket.
//!
//! Times are Unix seconds, lengths of time seconds. A tool and a daemon of different versions understand each other as far as
//! both know a field. What a tool prints with `--json` is the content of an [`Answer`], or the whole of an [`Answer::Done`], under the
//! names of the fields here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of a question at most, its line end included.
pub const LONGEST_ASK: usize = 4096;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// What would be answered, and why. Changes nothing.
    Explain(Triplet),
    /// Lets a triplet pass from now on, as if its delay were over.
    Release(Triplet),
    /// Lets pass whatever is from a sender or for a recipient, for some time.
    ReleaseFor(Period),
    /// Ends such a time.
    EndRelease(Party),
    /// Which such times there are.
    Releases,
    /// Forgets a triplet: it is unknown then.
    Forget(Triplet),
    /// Forgets how many triplets of a client have passed.
    ForgetClient {
        /// An address, or `NAME[ADDRESS]`.
        client: String,
    },
    /// Counters, sizes, times.
    Stats,
}

/// Of whom a question is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triplet {
    /// An address, or `NAME[ADDRESS]` as Postfix logs it.
    pub client: String,
    /// Empty for mail without one.
    pub sender: String,
    /// The recipient.
    pub recipient: String,
}

/// One party of a mail, and how long it is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Whom.
    pub party: Party,
    /// Seconds from now.
    pub seconds: u32,
}

/// A sender or a recipient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Party {
    /// Which of the two.
    pub side: Side,
    /// An address `user@domain`, or a domain with all below it.
    pub name: String,
}

/// The two sides of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Who sends.
    Sender,
    /// Who receives.
    Recipient,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Explain`].
    Explanation(Box<Explanation>),
    /// To what changes something: what is so now.
    Done(String),
    /// To [`Ask::Releases`].
    Releases(ReleaseList),
    /// To [`Ask::Stats`].
    Stats(Box<Stats>),
    /// To a question that cannot be answered: what is wrong with it, and what would be right. Nothing was changed.
    Error(String),
    /// To one that could be, if the daemon had not failed: why. Nothing was changed.
    Failure(String),
}

/// What would be answered to a request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Unix seconds of the look.
    pub now: u32,
    /// The network that stands for the client, with its prefix length.
    pub network: String,
    /// The sender as it counts.
    pub sender: String,
    /// The recipient.
    pub recipient: String,
    /// The rule that holds, by its name.
    pub rule: Option<String>,
    /// Seconds that a new triplet waits, by that rule.
    pub delay: u32,
    /// What is known of the triplet.
    pub state: Known,
    /// Passed triplets of the client that were counted, and when the last one was.
    pub client: Option<Counted>,
    /// How many of them whitelist it; 0: never.
    pub client_needs: u16,
    /// Why the answer is what it is, as in the log.
    pub reason: String,
    /// When the triplet may pass, if it has to wait.
    pub passes: Option<u32>,
    /// The reply's line.
    pub reply: String,
}

/// What is known of a triplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Nothing.
    Unknown,
    /// It was first seen at this time and has not passed.
    Pending {
        /// Unix seconds.
        first: u32,
    },
    /// It has passed.
    Passed {
        /// Unix seconds, as recorded: up to an eighth of max-age before it really was.
        last: u32,
    },
}

/// A client of the auto-whitelist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Triplets.
    pub count: u16,
    /// Unix seconds.
    pub last: u32,
}

/// Who is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseList {
    /// Unix seconds of the look.
    pub now: u32,
    /// Senders, then recipients, by name.
    pub releases: Vec<Release>,
}

/// A sender or a recipient that is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Who.
    pub party: Party,
    /// Unix seconds.
    pub until: u32,
}

/// The daemon in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// irongrey's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Unix seconds of the look.
    pub now: u32,
    /// Seconds since it began to serve.
    pub uptime: u64,
    /// Event loops.
    pub workers: usize,
    /// Connections that are open.
    pub connections: u64,
    /// Each counter since the start, by its name in the log.
    pub counters: BTreeMap<String, u64>,
    /// Microseconds from what a worker read to its replies: a turn of its loop.
    pub turns: Spread,
    /// Seconds between the first attempt of a triplet and its pass.
    pub delays: Spread,
    /// Pending triplets.
    pub pending: RingStats,
    /// Passed triplets and clients.
    pub established: RingStats,
    /// Bytes that both may have together.
    pub max_state: u64,
    /// Senders and recipients that are released.
    pub releases: usize,
}

/// How values are spread, to within a fifth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// The half is not above it.
    pub p50: u64,
    /// 99 of 100 are not.
    pub p99: u64,
    /// None is.
    pub max: u64,
    /// Ranges of values that some are in: the largest of the range, and how many.
    #[serde(default)]
    pub buckets: Vec<(u64, u64)>,
}

/// One ring of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingStats {
    /// Segments that hold records.
    pub segments: usize,
    /// Records, of which several may be of one triplet.
    pub records: u64,
    /// Bytes of files.
    pub bytes: u64,
}
