//! [`Caller`]: one connection with its own client networks, its own model of them, and one outstanding request.
//!
//! When the server dies the caller connects to the next one and repeats the request that was not answered. The server may have
//! taken it into account or not, so then both answers are right; after the repetition it has.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::SHOWN;
use super::asked::Asked;
use super::model::{Answer, Model};
use crate::reply::excerpt;

/// How long a server may take to an answer, or until it is there again.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer is longer.
const LONGEST: u64 = 1024;

/// What one connection came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) deferred: u64,
    pub(super) passed: u64,
    pub(super) known: u64,
    /// Requests that were repeated because no answer came.
    pub(super) repeated: u64,
    /// Answers that were not right.
    pub(super) wrong: u64,
    /// The first of them.
    pub(super) disagreements: Vec<String>,
}

pub(super) struct Caller {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    /// The messages that have got their header on this connection: their other recipients get none.
    headed: HashSet<String>,
    model: Model,
    pub(super) outcome: Outcome,
}

impl Caller {
    pub(super) fn new(address: SocketAddr, model: Model) -> Self {
        Self { address, connection: None, headed: HashSet::new(), model, outcome: Outcome::default() }
    }

    /// Asks, and compares the answer with the model's.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<()> {
        let asked = Asked::read(request)?;
        let mut right = vec![self.model.answer(&asked)];
        let started = Instant::now();
        let line = loop {
            match self.exchange(request) {
                Ok(line) => break line,
                Err(error) if started.elapsed() > PATIENCE => {
                    return Err(error).with_context(|| format!("no answer within {} s", PATIENCE.as_secs()));
                }
                Err(_) => {
                    // Without a connection nothing was asked.
                    if self.connection.take().is_some() && right.len() == 1 {
                        right.push(self.model.answer(&asked));
                        self.outcome.repeated += 1;
                    }
                    self.headed.clear();
                    thread::sleep(Duration::from_millis(1));
                }
            }
        };
        self.compare(&asked, &right, &line)
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(self.address)?),
        };
        connection.get_mut().write_all(request)?;
        let mut line = Vec::new();
        for end in [&b"\n"[..], b"\n\n"] {
            connection.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
            if !line.ends_with(end) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn compare(&mut self, asked: &Asked, right: &[Answer], line: &[u8]) -> Result<()> {
        let Some(answer) = read_answer(line) else { bail!("the server answered {}", excerpt(line)) };
        let is_headed = self.headed.contains(&asked.instance);
        let is_right = |expected: &Answer| {
            *expected == answer || matches!((expected, answer), (Answer::Passes(_), Answer::Known) if is_headed)
        };
        if !right.iter().any(is_right) {
            self.outcome.wrong += 1;
            if self.outcome.disagreements.len() < SHOWN {
                self.outcome.disagreements.push(format!("{answer:?} instead of {right:?} for {asked:?}"));
            }
        }
        match answer {
            Answer::Deferred(_) => self.outcome.deferred += 1,
            Answer::Passes(_) => {
                self.outcome.passed += 1;
                self.headed.insert(asked.instance.clone());
            }
            Answer::Known => self.outcome.known += 1,
        }
        Ok(())
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn read_answer(line: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(line).ok()?;
    let seconds = |prefix: &str| text.strip_prefix(prefix)?.split(' ').next()?.parse().ok();
    let deferred = seconds("action=DEFER_IF_PERMIT 4.2.0 Wait ").map(Answer::Deferred);
    let passes = || seconds("action=PREPEND X-Greylist: delayed ").map(Answer::Passes);
    deferred.or_else(passes).or((text == "action=DUNNO").then_some(Answer::Known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const REQUEST: &[u8] =
        b"request=smtpd_access_policy\nclient_address=10.1.2.3\nsender=a@b.example\nrecipient=x@y\ninstance=1\n\
        policy_test_time=1000000\n\n";

    /// A server whose connections give these bytes, one each, and end.
    fn server(replies: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while line != "\n" {
                    line.clear();
                    assert!(reader.read_line(&mut line).unwrap() > 0);
                }
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        address
    }

    fn ask(replies: &'static [&'static str]) -> Result<Outcome> {
        let mut caller = Caller::new(server(replies), Model::new(300));
        caller.ask(REQUEST)?;
        Ok(caller.outcome)
    }

    #[test]
    fn what_the_model_says_is_right_and_nothing_else() {
        let outcome = ask(&["action=DEFER_IF_PERMIT 4.2.0 Wait 300 seconds\n\n"]).unwrap();
        assert_eq!((outcome.deferred, outcome.wrong), (1, 0));
        for wrong in [
            &["action=DEFER_IF_PERMIT 4.2.0 Wait 299 seconds\n\n"][..],
            &["action=DUNNO\n\n"],
            &["action=PREPEND X-Greylist: delayed 300 seconds by x\n\n"],
        ] {
            assert_eq!(ask(wrong).unwrap().wrong, 1, "{wrong:?}");
        }
    }

    #[test]
    fn a_request_that_was_not_answered_is_repeated() {
        let outcome = ask(&["action=DEF", "action=DEFER_IF_PERMIT 4.2.0 Wait 300 seconds\n\n"]).unwrap();
        assert_eq!((outcome.repeated, outcome.wrong), (1, 0));
    }

    #[test]
    fn nonsense_ends_it_with_its_bytes() {
        let error = ask(&["500 what?\n\n"]).unwrap_err();
        assert!(error.to_string().contains("500 what?"), "{error}");
    }
}
