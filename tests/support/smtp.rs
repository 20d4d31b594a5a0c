//! [`Smtp`]: one SMTP session, spoken word by word.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A session with an SMTP server.
pub(crate) struct Smtp {
    reader: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects and greets.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut session = Self { reader: BufReader::new(stream) };
        let greeting = session.reply();
        assert!(greeting.starts_with("220 "), "{greeting}");
        session.expect("EHLO mail.sender.example", "250 ");
        session
    }

    /// The same, and says by `XCLIENT` that another client is speaking.
    pub(crate) fn from_client(server: SocketAddr, client_address: &str) -> Self {
        let mut session = Self::connect(server);
        session.expect(&format!("XCLIENT NAME=mail.sender.example ADDR={client_address}"), "220 ");
        session.expect("EHLO mail.sender.example", "250 ");
        session
    }

    /// One command; the last line of its reply.
    pub(crate) fn command(&mut self, command: &str) -> String {
        self.reader.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// Names the sender and each recipient; the reply to each recipient.
    pub(crate) fn envelope(&mut self, sender: &str, recipients: &[&str]) -> Vec<String> {
        self.expect(&format!("MAIL FROM:<{sender}>"), "250 ");
        recipients.iter().map(|recipient| self.command(&format!("RCPT TO:<{recipient}>"))).collect()
    }

    /// Sends the message to the recipients accepted so far.
    pub(crate) fn message(&mut self, subject: &str) {
        self.expect("DATA", "354 ");
        self.expect(&format!("Subject: {subject}\r\n\r\nText.\r\n."), "250 ");
    }

    fn expect(&mut self, command: &str, code: &str) {
        let reply = self.command(command);
        assert!(reply.starts_with(code), "{command}: {reply}");
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.reader.get_mut().write_all(b"QUIT\r\n").ok();
    }
}
