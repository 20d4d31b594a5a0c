//! What one line of Postfix's log says about a recipient or a message, after its time.
//!
//! Lines that a policy server would not have been asked about are none: those of an authenticated client, of this host
//! itself (mail that comes back from a content filter), and of postscreen.

use std::net::IpAddr;

use super::survey::Skip;

/// A client as Postfix names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client<'l> {
    pub(super) name: &'l str,
    pub(super) address: IpAddr,
    /// 0 if it is not logged.
    pub(super) port: u16,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event<'l> {
    /// smtpd refused a recipient.
    Rejected { client: Client<'l>, sender: &'l str, recipient: &'l str, protocol: &'l str, helo: &'l str },
    /// smtpd accepted the first recipient of a message.
    Accepted { id: &'l str, client: Client<'l> },
    /// The queue manager took the message on.
    Queued { id: &'l str, sender: &'l str, size: u64 },
    /// A delivery to a recipient was tried; the address is the one that the client gave.
    Delivered { id: &'l str, recipient: &'l str },
    /// The message is done with.
    Removed { id: &'l str },
}

/// An event and the process that logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'l> {
    pub(super) process: u32,
    pub(super) event: Event<'l>,
}

/// Reads `HOST TAG[PID]: ID: MESSAGE`, or says why nothing is made of the line.
pub(super) fn parse(text: &str) -> Result<Line<'_>, Skip> {
    let (program, process, message) = postfix(text).ok_or(Skip::Foreign)?;
    let (id, message) = message.split_once(": ").ok_or(Skip::NoRecipient)?;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Skip::NoRecipient);
    }
    let event = match program {
        "smtpd" if message.starts_with("reject: ") => rejected(message),
        "smtpd" => accepted(id, message)?,
        "qmgr" if message == "removed" => Some(Event::Removed { id }),
        "qmgr" => queued(id, message),
        "smtp" | "lmtp" | "local" | "virtual" | "pipe" | "error" | "discard" => delivered(id, message),
        _ => None,
    };
    Ok(Line { process, event: event.ok_or(Skip::NoRecipient)? })
}

/// Program, process and message of one of Postfix's lines.
fn postfix(text: &str) -> Option<(&str, u32, &str)> {
    let (_, text) = text.split_once(' ')?;
    let (tag, message) = text.split_once("]: ")?;
    let (tag, process) = tag.rsplit_once('[')?;
    let (postfix, program) = tag.rsplit_once('/')?;
    postfix.starts_with("postfix").then_some((program, process.parse().ok()?, message))
}

/// `reject: RCPT from NAME[ADDRESS]: TEXT; from=<> to=<> proto= helo=<>`
fn rejected(message: &str) -> Option<Event<'_>> {
    let (client, text) = client(message.strip_prefix("reject: RCPT from ")?)?;
    let (_, envelope) = text.rsplit_once("; from=<")?;
    let (sender, envelope) = envelope.split_once("> to=<")?;
    let (recipient, envelope) = envelope.split_once("> proto=")?;
    let (protocol, helo) = envelope.split_once(" helo=<").unwrap_or((envelope, ">"));
    Some(Event::Rejected { client, sender, recipient, protocol, helo: helo.strip_suffix('>')? })
}

/// `client=NAME[ADDRESS]`
fn accepted<'l>(id: &'l str, message: &'l str) -> Result<Option<Event<'l>>, Skip> {
    let Some((client, rest)) = message.strip_prefix("client=").and_then(client) else { return Ok(None) };
    if rest.contains("sasl_username=") || client.address.to_canonical().is_loopback() {
        return Err(Skip::Own);
    }
    Ok(Some(Event::Accepted { id, client }))
}

/// `from=<SENDER>, size=N, nrcpt=N (queue active)`
fn queued<'l>(id: &'l str, message: &'l str) -> Option<Event<'l>> {
    let (sender, rest) = message.strip_prefix("from=<")?.rsplit_once(">, size=")?;
    let size = rest.split(',').next()?.parse().ok()?;
    Some(Event::Queued { id, sender, size })
}

/// `to=<RECIPIENT>, orig_to=<RECIPIENT>, relay=...`
fn delivered<'l>(id: &'l str, message: &'l str) -> Option<Event<'l>> {
    let (mut recipient, rest) = message.strip_prefix("to=<")?.split_once(">, ")?;
    if let Some(original) = rest.strip_prefix("orig_to=<") {
        recipient = original.split_once(">, ")?.0;
    }
    Some(Event::Delivered { id, recipient })
}

/// `NAME[ADDRESS]`, with `:PORT` if Postfix is told to log it, and what follows.
fn client(text: &str) -> Option<(Client<'_>, &str)> {
    let (name, rest) = text.split_once('[')?;
    let (address, rest) = rest.split_once(']')?;
    let address = address.parse().ok()?;
    let port = rest.strip_prefix(':').map_or("", |rest| rest.split([':', ',']).next().unwrap_or_default());
    Some((Client { name, address, port: port.parse().unwrap_or_default() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Option<Event<'_>> {
        parse(text).ok().map(|line| line.event)
    }

    #[test]
    fn a_refused_recipient_is_read() {
        let text = "mx postfix/smtpd[812]: NOQUEUE: reject: RCPT from mail.a.example[2001:db8::9]:4711: 450 4.2.0 \
                    <bob@customer.test>: Greylisted; see; from=<alice@a.example> to=<bob@customer.test> proto=ESMTP \
                    helo=<a.example>";
        let line = parse(text).unwrap();
        assert_eq!(line.process, 812);
        let client = Client { name: "mail.a.example", address: "2001:db8::9".parse().unwrap(), port: 4711 };
        let (sender, recipient) = ("alice@a.example", "bob@customer.test");
        assert_eq!(line.event, Event::Rejected { client, sender, recipient, protocol: "ESMTP", helo: "a.example" });
    }

    #[test]
    fn an_accepted_message_is_read_line_by_line() {
        let client = Client { name: "unknown", address: "192.0.2.7".parse().unwrap(), port: 0 };
        assert_eq!(
            event("mx postfix-in/smtpd[1]: 4F1: client=unknown[192.0.2.7]"),
            Some(Event::Accepted { id: "4F1", client })
        );
        assert_eq!(
            event("mx postfix/qmgr[2]: 4F1: from=<>, size=1234, nrcpt=1 (queue active)"),
            Some(Event::Queued { id: "4F1", sender: "", size: 1234 })
        );
        for (to, recipient) in
            [("to=<x@in.test>, orig_to=<bob@b.test>, relay=x", "bob@b.test"), ("to=<x@in.test>, relay=x", "x@in.test")]
        {
            let text = format!("mx postfix/lmtp[3]: 4F1: {to}, delay=0.1, dsn=2.0.0, status=sent (ok)");
            assert_eq!(event(&text), Some(Event::Delivered { id: "4F1", recipient }));
        }
        assert_eq!(event("mx postfix/qmgr[2]: 4F1: removed"), Some(Event::Removed { id: "4F1" }));
    }

    #[test]
    fn what_no_policy_server_was_asked_about_is_none() {
        let screened = "NOQUEUE: reject: RCPT from [192.0.2.7]:1: 450 x; from=<a> to=<b> proto=SMTP helo=<c>";
        for (text, why) in [
            ("mx postfix/smtpd[1]: connect from a.example[192.0.2.7]", Skip::NoRecipient),
            ("mx postfix/smtpd[1]: 4F1: client=a[192.0.2.7], sasl_method=PLAIN, sasl_username=alice", Skip::Own),
            ("mx postfix/smtpd[1]: 4F1: client=localhost[127.0.0.1]", Skip::Own),
            ("mx postfix/smtpd[1]: 4F1: client=unknown[unknown]", Skip::NoRecipient),
            ("mx postfix/cleanup[1]: 4F1: message-id=<x@a.example>", Skip::NoRecipient),
            (&format!("mx postfix/postscreen[1]: {screened}"), Skip::NoRecipient),
            ("mx dovecot/lmtp[1]: 4F1: to=<x@in.test>, relay=x", Skip::Foreign),
            ("", Skip::Foreign),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
