//! Requests rebuilt from a Postfix mail log: one for each recipient that was refused or accepted.
//!
//! A refused recipient is one line. An accepted message is put together from the lines of its queue id, and its requests
//! have the time at which it came. As deliveries are logged later, every message is held for five minutes of the log's
//! time and then yielded in order; what is logged of it after that is passed over. So memory is bounded by what a log says
//! in five minutes. What a log does not tell (HELO of accepted mail, TLS) is filled in plainly.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};

use super::Planned;
use super::attributes::Attributes;
use super::input::Input;
use super::logline::{self, Client, Event, Line};
use super::logtime::Calendar;
use super::network::{Part, network};
use super::survey::{Skip, Survey};

/// How long a message may take until its deliveries are logged.
const HOLD: SignedDuration = SignedDuration::from_mins(5);

/// When a message came, and its number among those of the same moment.
type Key = (Timestamp, u64);

/// A log on its way.
#[derive(Debug)]
pub(crate) struct Maillog {
    input: Input,
    calendar: Calendar,
    part: Part,
    line: Vec<u8>,
    /// The latest time read; `None` once the log has ended.
    now: Option<Timestamp>,
    held: BTreeMap<Key, Message>,
    /// Which message a queue id means.
    open: HashMap<String, Key>,
    number: u64,
    /// The message whose recipients are being yielded, and how many have been.
    current: Option<(Timestamp, Message)>,
    yielded: usize,
    /// When the first request was due, and how long after it the latest.
    first: Option<Timestamp>,
    latest: Duration,
    survey: Survey,
}

/// A message or a refused recipient.
#[derive(Debug)]
struct Message {
    instance: String,
    id: String,
    client_name: String,
    client_address: String,
    client_port: u16,
    network: u64,
    protocol: String,
    helo: String,
    sender: String,
    size: u64,
    recipients: Vec<String>,
    /// Lines that told of it.
    lines: u64,
}

impl Maillog {
    pub(crate) fn open(path: &Path, part: Part) -> Result<Self> {
        let input = Input::open(path)?;
        let calendar = Calendar::new(Timestamp::try_from(input.modified)?);
        Ok(Self {
            input,
            calendar,
            part,
            line: Vec::new(),
            now: Some(Timestamp::MIN),
            held: BTreeMap::new(),
            open: HashMap::new(),
            number: 0,
            current: None,
            yielded: 0,
            first: None,
            latest: Duration::ZERO,
            survey: Survey::default(),
        })
    }

    /// Appends the next request that belongs to the part.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Planned>> {
        loop {
            if let Some(planned) = self.next_recipient(out) {
                return Ok(Some(planned));
            }
            if !self.take_message()? {
                ensure!(
                    self.survey.requests > 0,
                    "{}\nno line tells of a recipient that Postfix's smtpd refused or accepted; give a Postfix mail log",
                    self.summary()
                );
                return Ok(None);
            }
        }
    }

    /// What was made of the lines.
    pub(crate) fn summary(&self) -> String {
        format!("{}: {} lines read, {}", self.input.path().display(), self.input.lines(), self.survey)
    }

    fn next_recipient(&mut self, out: &mut Vec<u8>) -> Option<Planned> {
        let (time, message) = self.current.as_ref()?;
        let recipient = message.recipients.get(self.yielded)?;
        message.write(recipient, if self.yielded > 0 { &message.id } else { "" }, out);
        self.yielded += 1;
        let due = time.duration_since(self.first?);
        self.latest = self.latest.max(Duration::try_from(due).unwrap_or_default());
        Some(Planned { due: Some(self.latest), network: message.network })
    }

    /// Makes the next message the current one, reading on until one has been held long enough.
    fn take_message(&mut self) -> Result<bool> {
        loop {
            if let Some(entry) = self.held.first_entry()
                && self.now.is_none_or(|now| now.duration_since(entry.key().0) >= HOLD)
            {
                let (key, message) = entry.remove_entry();
                if self.open.get(&message.id) == Some(&key) {
                    self.open.remove(&message.id);
                }
                if message.recipients.is_empty() {
                    self.survey.skip(Skip::Undelivered, message.lines);
                    continue;
                }
                self.survey.take(key.0, message.lines, message.recipients.len() as u64);
                self.first.get_or_insert(key.0);
                if self.part.takes(message.network) {
                    (self.current, self.yielded) = (Some((key.0, message)), 0);
                    return Ok(true);
                }
            } else if self.now.is_none() {
                return Ok(false);
            } else {
                self.read_line()?;
            }
        }
    }

    fn read_line(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.line);
        buffer.clear();
        if !self.input.read_line(&mut buffer)? {
            self.now = None;
        } else if let Ok(text) = std::str::from_utf8(&buffer)
            && let Some((time, text)) = self.calendar.split(text.trim_end())
        {
            self.now = self.now.max(Some(time));
            match logline::parse(text) {
                Ok(line) => self.take_line(time, &line),
                Err(why) => self.survey.skip(why, 1),
            }
        } else {
            self.survey.skip(Skip::NoTime, 1);
        }
        self.line = buffer;
        Ok(())
    }

    fn take_line(&mut self, time: Timestamp, line: &Line<'_>) {
        match line.event {
            Event::Rejected { client, sender, recipient, protocol, helo } => {
                let mut message = Message::new(&client, time, line.process);
                message.recipients.push(recipient.to_owned());
                sender.clone_into(&mut message.sender);
                protocol.clone_into(&mut message.protocol);
                helo.clone_into(&mut message.helo);
                self.hold(time, message);
            }
            Event::Accepted { id, client } => {
                let mut message = Message::new(&client, time, line.process);
                id.clone_into(&mut message.id);
                let key = self.hold(time, message);
                self.open.insert(id.to_owned(), key);
            }
            Event::Queued { id, sender, size } => {
                if let Some(message) = self.open_message(id) {
                    sender.clone_into(&mut message.sender);
                    message.size = size;
                }
            }
            Event::Delivered { id, recipient } => {
                if let Some(message) = self.open_message(id)
                    && !message.recipients.iter().any(|known| known == recipient)
                {
                    message.recipients.push(recipient.to_owned());
                }
            }
            Event::Removed { id } => {
                self.open_message(id);
                self.open.remove(id);
            }
        }
    }

    fn hold(&mut self, time: Timestamp, message: Message) -> Key {
        self.number += 1;
        let key = (time, self.number);
        self.held.insert(key, message);
        key
    }

    /// The held message of a queue id, one line of which is being taken.
    fn open_message(&mut self, id: &str) -> Option<&mut Message> {
        let Some(message) = self.open.get(id).and_then(|key| self.held.get_mut(key)) else {
            self.survey.skip(Skip::NotTaken, 1);
            return None;
        };
        message.lines += 1;
        Some(message)
    }
}

impl Message {
    fn new(client: &Client<'_>, time: Timestamp, process: u32) -> Self {
        Self {
            instance: format!("{process:x}.{:x}.0.0", time.as_second()),
            id: String::new(),
            client_name: client.name.to_owned(),
            client_address: client.address.to_string(),
            client_port: client.port,
            network: network(client.address),
            protocol: "ESMTP".to_owned(),
            helo: client.name.to_owned(),
            sender: String::new(),
            size: 0,
            recipients: Vec::new(),
            lines: 1,
        }
    }

    fn write(&self, recipient: &str, queue_id: &str, out: &mut Vec<u8>) {
        Attributes {
            protocol_name: self.protocol.as_bytes(),
            client_address: self.client_address.as_bytes(),
            client_name: self.client_name.as_bytes(),
            client_port: self.client_port,
            helo_name: self.helo.as_bytes(),
            sender: self.sender.as_bytes(),
            recipient: recipient.as_bytes(),
            queue_id: queue_id.as_bytes(),
            instance: self.instance.as_bytes(),
            size: self.size,
            encrypted: false,
        }
        .write(out);
    }
}
