//! [`Crowd`]: the hostile clients, all in one thread that does one small thing a millisecond, so that they and the honest
//! one have the machine to themselves in turn.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Address, Request, Rng, Stream};

const IDLE: usize = 4_096;
const TRICKLING: usize = 1_000;
/// Of each of the three other kinds.
const SOME: usize = 16;
/// All of them.
pub(super) const CLIENTS: usize = IDLE + TRICKLING + 3 * SOME;

/// Between two things that the crowd does.
const PACE: Duration = Duration::from_millis(1);
/// One of so many is not done by those that trickle, but by one of each other kind.
const OTHERS: usize = 10;

/// What a client does instead of asking honestly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Half a request, then one byte about every second.
    Trickling,
    /// Half a request of nearly the largest size, then the same.
    TricklingMuch,
    /// Random bytes.
    Garbage,
    /// A line that has no end.
    Endless,
    /// Requests, one after the other, but it never reads a reply.
    Deaf,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Trickling, Self::TricklingMuch, Self::Garbage, Self::Endless, Self::Deaf];
}

/// What has become of the clients of one kind, or of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) clients: usize,
    /// Writes that it took.
    pub(super) heard: usize,
    /// Connections that it has closed, each followed by another one.
    pub(super) closed: usize,
}

/// A hostile client.
struct Hostile {
    kind: Kind,
    address: Address,
    stream: Stream,
    /// Whether anything was written on this connection.
    begun: bool,
    fate: Fate,
}

impl Hostile {
    fn connect(kind: Kind, address: &Address) -> Self {
        Self {
            kind,
            address: address.clone(),
            stream: connect(address),
            begun: false,
            fate: Fate { clients: 1, heard: 0, closed: 0 },
        }
    }

    /// Does what it does, once.
    fn act(&mut self, texts: &Texts) {
        let bytes = match (self.kind, self.begun) {
            (Kind::Trickling | Kind::TricklingMuch, true) => b"x",
            (Kind::Trickling, false) => &texts.half[..],
            (Kind::TricklingMuch, false) => &texts.large_half,
            (Kind::Garbage, _) => &texts.garbage,
            (Kind::Endless, _) => &texts.line,
            (Kind::Deaf, _) => &texts.requests,
        };
        self.begun = true;
        match self.stream.write(bytes) {
            Ok(_) => self.fate.heard += 1,
            // It does not read any more; before long it closes.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                self.fate.closed += 1;
                self.begun = false;
                self.stream = connect(&self.address);
            }
        }
    }
}

/// What the hostile clients send.
struct Texts {
    half: Vec<u8>,
    large_half: Vec<u8>,
    garbage: Vec<u8>,
    line: Vec<u8>,
    requests: Vec<u8>,
}

impl Texts {
    fn new() -> Self {
        let request = Request::new("192.0.2.1", "mallory@sender.example", "bob@customer.test").wire();
        let mut rng = Rng::new(Rng::seed());
        Self {
            half: b"request=smtpd_access_policy\nsender=".to_vec(),
            large_half: [&b"x=".repeat(1_000)[..], b"\n"].concat().repeat(7),
            garbage: (0..4_096).map(|_| u8::try_from(rng.below(256)).unwrap()).collect(),
            line: b"x".repeat(16 << 10),
            requests: request.repeat(256),
        }
    }
}

/// All of them.
pub(super) struct Crowd {
    addresses: [Address; 2],
    /// They are connected and nothing more.
    _idle: Vec<Stream>,
    trickling: Vec<Hostile>,
    others: Vec<Hostile>,
}

impl Crowd {
    /// Connects those that are idle and those that are loud, to one address and the other in turn.
    pub(super) fn gather(addresses: &[Address; 2]) -> Self {
        let others = (0..3 * SOME).map(|index| {
            let kind = [Kind::Garbage, Kind::Endless, Kind::Deaf][index % 3];
            Hostile::connect(kind, &addresses[index % 2])
        });
        Self {
            addresses: addresses.clone(),
            _idle: (0..IDLE).map(|index| connect(&addresses[index % 2])).collect(),
            trickling: Vec::new(),
            others: others.collect(),
        }
    }

    /// Acts until told to stop.
    pub(super) fn run(&mut self, stop: &AtomicBool) {
        let texts = Texts::new();
        let (mut done, mut trickler, mut other) = (0, 0, 0);
        while !stop.load(Ordering::Relaxed) {
            // What is late is not caught up with: the pace is a bound.
            std::thread::sleep(PACE);
            done += 1;
            if done % OTHERS == 0 {
                for _ in 0..3 {
                    self.others[other % (3 * SOME)].act(&texts);
                    other += 1;
                }
                continue;
            }
            // They come in one by one, so that their time is not over for all at once.
            let index = self.trickling.len();
            if index < TRICKLING {
                let kind = [Kind::Trickling, Kind::TricklingMuch][index / 2 % 2];
                self.trickling.push(Hostile::connect(kind, &self.addresses[index % 2]));
            }
            let count = self.trickling.len();
            self.trickling[trickler % count].act(&texts);
            trickler += 1;
        }
    }

    /// What became of one kind.
    pub(super) fn fate(&self, kind: Kind) -> Fate {
        let of_kind = self.trickling.iter().chain(&self.others).filter(|hostile| hostile.kind == kind);
        of_kind.fold(Fate { clients: 0, heard: 0, closed: 0 }, |sum, hostile| Fate {
            clients: sum.clients + 1,
            heard: sum.heard + hostile.fate.heard,
            closed: sum.closed + hostile.fate.closed,
        })
    }
}

/// A connection on which nothing waits.
fn connect(address: &Address) -> Stream {
    let stream = Stream::connect(address).unwrap();
    stream.set_nonblocking().unwrap();
    stream
}
