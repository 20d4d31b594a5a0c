//! The mixed load: a relay's traffic in virtual time, first attempts and retries in the order of their time.
//!
//! The generator hears no answers. It assumes that a triplet passes from its first attempt that comes at least the given
//! delay after the first of all; a legitimate sender repeats until then (or until its program gives up), and later mail of
//! the same triplet is sent once. It knows nothing of a server's auto-whitelist, retry window or expiry, so a few retries
//! come that a sender with answers would not make. Times are compared in whole seconds, as a server does.
//!
//! An outstanding retry takes 16 bytes: all else about a message follows from its number. A correspondence takes 16 more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::time::Duration;

use super::Planned;
use super::attributes::Attributes;
use super::host::NETWORKS;
use super::mail::{Mail, Model, Role};
use super::network::{Part, network};
use super::options::MixOptions;
use super::text::hex;

/// Unix time that `instance` counts from.
const EPOCH: u64 = 0x6b04_bb25;
/// Bits of a retry's number beside the message's.
const RETRY_BITS: u32 = 8;

/// A retry that is to come: when (microseconds from the start), and message and number of the retry in one word.
type Retry = Reverse<(u64, u64)>;

/// The generator.
#[derive(Debug)]
pub(crate) struct Mix {
    model: Model,
    part: Part,
    /// Seconds after which a retry passes.
    delay: u32,
    /// The next message that is new, and when it comes.
    message: u64,
    arrival: u64,
    retries: BinaryHeap<Retry>,
    /// For each correspondence and network of its host: the second of the first attempt plus 1; 0: none yet.
    firsts: Vec<[u32; NETWORKS as usize]>,
    session: Session,
}

/// The attempt whose recipients are being asked for, its texts ready to be copied.
#[derive(Debug, Default)]
struct Session {
    mail: Option<Mail>,
    /// The next recipient.
    recipient: u32,
    due: u64,
    network: u64,
    passes: bool,
    address: Vec<u8>,
    name: Vec<u8>,
    helo: Vec<u8>,
    sender: Vec<u8>,
    recipient_text: Vec<u8>,
    instance: Vec<u8>,
    queue_id: Vec<u8>,
}

impl Mix {
    pub(crate) fn new(seed: u64, options: &MixOptions, part: Part) -> Self {
        let mut mix = Self {
            model: Model::new(seed, options.clone()),
            part,
            delay: options.delay,
            message: 0,
            arrival: 0,
            retries: BinaryHeap::new(),
            firsts: vec![[0; NETWORKS as usize]; 2 * options.correspondents as usize],
            session: Session::default(),
        };
        mix.skip_to_own(0);
        mix
    }

    /// Appends the next request. There is always one more.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Planned {
        loop {
            if let Some(planned) = self.session.next_recipient(out) {
                return planned;
            }
            self.open_session();
        }
    }

    /// Goes to the first message from `number` on that this part makes.
    fn skip_to_own(&mut self, number: u64) {
        self.message = number;
        while !self.part.takes(u64::from(self.model.mail(self.message).host.number())) {
            self.message += 1;
        }
        self.arrival = self.model.arrival(self.message);
    }

    /// Takes what comes first, a retry or a new message, and plans its next retry.
    fn open_session(&mut self) {
        let (due, message, attempt) = match self.retries.peek() {
            Some(&Reverse((due, word))) if due <= self.arrival => {
                self.retries.pop();
                (due, word >> RETRY_BITS, u32::from(word.to_le_bytes()[0]))
            }
            _ => {
                let first = (self.arrival, self.message, 0);
                self.skip_to_own(self.message + 1);
                first
            }
        };
        let mail = self.model.mail(message);
        let passes = self.passes(&mail, message, attempt, due);
        if !passes && let Some(age) = mail.mta.age(attempt + 1, mail.chance) {
            let due = self.model.arrival(message) + u64::from(age) * 1_000_000;
            self.retries.push(Reverse((due, message << RETRY_BITS | u64::from(attempt + 1))));
        }
        self.session.open(mail, attempt, due, passes);
    }

    /// Whether the attempt comes long enough after the first one from the same network.
    fn passes(&mut self, mail: &Mail, message: u64, attempt: u32, due: u64) -> bool {
        let second = seconds(due);
        let from = mail.network(attempt);
        let first = if let Some(correspondence) = mail.correspondence {
            let first = &mut self.firsts[correspondence as usize][from as usize];
            if *first == 0 {
                *first = second + 1;
            }
            *first - 1
        } else {
            let earlier = (0..attempt).find(|&earlier| mail.network(earlier) == from).unwrap_or(attempt);
            let age = if earlier == 0 { Some(0) } else { mail.mta.age(earlier, mail.chance) };
            seconds(self.model.arrival(message)) + age.unwrap_or_default()
        };
        second.saturating_sub(first) >= self.delay
    }
}

/// Whole seconds of so many microseconds; the virtual time ends with 32 bits of them.
fn seconds(microseconds: u64) -> u32 {
    u32::try_from(microseconds / 1_000_000).unwrap_or(u32::MAX - 1)
}

impl Session {
    fn open(&mut self, mail: Mail, attempt: u32, due: u64, passes: bool) {
        let key = mail.chance ^ u64::from(attempt) << 32;
        let address = mail.host.address(mail.network(attempt), mail.ipv6, key);
        for text in [
            &mut self.address,
            &mut self.name,
            &mut self.helo,
            &mut self.sender,
            &mut self.instance,
            &mut self.queue_id,
        ] {
            text.clear();
        }
        // Writing to memory does not fail.
        let _ = write!(self.address, "{address}");
        mail.host.write_name(address, &mut self.name);
        mail.host.write_helo(address, &mut self.helo);
        mail.write_sender(&mut self.sender);
        hex(&mut self.instance, 0x1000 | key >> 52);
        self.instance.push(b'.');
        hex(&mut self.instance, EPOCH + due / 1_000_000);
        self.instance.push(b'.');
        hex(&mut self.instance, due % 1_000_000);
        self.instance.extend_from_slice(b".0");
        hex(&mut self.queue_id, 0xa << 40 | key >> 24);
        self.queue_id.make_ascii_uppercase();
        (self.network, self.due, self.passes) = (network(address), due, passes);
        (self.recipient, self.mail) = (0, Some(mail));
    }

    fn next_recipient(&mut self, out: &mut Vec<u8>) -> Option<Planned> {
        let mail = self.mail.as_ref().filter(|mail| self.recipient < mail.recipients)?;
        self.recipient_text.clear();
        mail.write_recipient(self.recipient, &mut self.recipient_text);
        let is_bot = matches!(mail.role, Role::Bot | Role::HastyBot);
        Attributes {
            protocol_name: if is_bot && mail.chance.is_multiple_of(4) { b"SMTP" } else { b"ESMTP" },
            client_address: &self.address,
            client_name: &self.name,
            client_port: 1024 + (mail.chance >> 40 & 0x7fff) as u16,
            helo_name: &self.helo,
            sender: &self.sender,
            recipient: &self.recipient_text,
            queue_id: if self.passes && self.recipient > 0 { &self.queue_id } else { b"" },
            instance: &self.instance,
            size: if is_bot { 0 } else { 600 + (mail.chance >> 20 & 0xffff) },
            encrypted: !is_bot,
        }
        .write(out);
        self.recipient += 1;
        Some(Planned { due: Some(Duration::from_micros(self.due)), network: self.network })
    }
}
