//! A decision as postgrey's log line, byte for byte, so that what reads postgrey's log reads this one.
//!
//! What postgrey does not know changes no part of the line that a reader looks for. Where a rule held, its name follows at
//! the end. A request that is only observed has passed, so its `action` is `pass`, and `observed: ` stands before the reason
//! for which it would have been deferred: neither `action=greylist` nor `reason=new` is there to be counted as a deferral.
//!
//! Everything that comes from a peer is escaped as postgrey does it: `%` is doubled, and a byte that is not printable becomes
//! `%XX`. So no peer can end a line or forge one.

use std::io::Write;

use crate::grey::{Decision, Reason};
use crate::policy::Verdict;

/// The attributes that a line shows. An absent one is as an empty one: it is left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) queue_id: &'a [u8],
    pub(crate) client_name: &'a [u8],
    pub(crate) client_address: &'a [u8],
    pub(crate) sender: &'a [u8],
    pub(crate) recipient: &'a [u8],
    /// The name of the rule that held; empty if none did.
    pub(crate) rule: &'a [u8],
}

/// What a byte beyond ASCII becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeyondAscii {
    /// `%XX`, as postgrey writes it to stderr.
    Escaped,
    /// Itself, as postgrey sends it to syslog.
    Kept,
}

/// Appends the line of a decision to `out`, without a line end.
pub(super) fn write_decision(out: &mut Vec<u8>, decision: Decision, fields: &Fields<'_>, beyond_ascii: BeyondAscii) {
    write_queue_id(out, fields, beyond_ascii);
    let action: &[u8] = match decision.verdict {
        Verdict::Defer { .. } => b"action=greylist",
        Verdict::Dunno | Verdict::Prepend { .. } => b"action=pass",
    };
    out.extend_from_slice(action);
    out.extend_from_slice(b", reason=");
    write_reason(out, decision);
    if let Verdict::Prepend { delayed } = decision.verdict {
        write_number(out, ", delay=", delayed);
    }
    write_fields(out, fields, beyond_ascii);
}

/// Appends the queue id, with which a line begins, if there is one.
pub(crate) fn write_queue_id(out: &mut Vec<u8>, fields: &Fields<'_>, beyond_ascii: BeyondAscii) {
    if !fields.queue_id.is_empty() {
        escape(out, fields.queue_id, beyond_ascii);
        out.extend_from_slice(b": ");
    }
}

/// Appends who asked and about whom, each with a comma before it.
pub(crate) fn write_fields(out: &mut Vec<u8>, fields: &Fields<'_>, beyond_ascii: BeyondAscii) {
    for (name, value) in [
        ("client_name", fields.client_name),
        ("client_address", fields.client_address),
        ("sender", fields.sender),
        ("recipient", fields.recipient),
        ("rule", fields.rule),
    ] {
        if !value.is_empty() {
            out.extend_from_slice(b", ");
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            escape(out, value, beyond_ascii);
        }
    }
}

/// Appends `text` of our own to `out`; control characters in it, which can only be quoted ones, become `%XX`.
pub(super) fn write_event(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_control() { write_hex(out, byte) } else { out.push(byte) }
    }
}

/// Appends why a request was answered as it was.
pub(crate) fn write_reason(out: &mut Vec<u8>, decision: Decision) {
    if decision.observed {
        out.extend_from_slice(b"observed: ");
    }
    out.extend_from_slice(decision.reason.text().as_bytes());
    if let Reason::EarlyRetry { missing } = decision.reason {
        write_number(out, " (", missing);
        out.extend_from_slice(b"s missing)");
    }
}

/// Appends what came from a peer.
pub(crate) fn escape(out: &mut Vec<u8>, value: &[u8], beyond_ascii: BeyondAscii) {
    // Nearly every value is plain. Without an early end the compiler looks at many bytes at once.
    if value.iter().fold(true, |plain, &byte| plain & matches!(byte, b' '..=b'$' | b'&'..=b'~')) {
        return out.extend_from_slice(value);
    }
    for &byte in value {
        match byte {
            b'%' => out.extend_from_slice(b"%%"),
            b' '..=b'~' => out.push(byte),
            0x80.. if beyond_ascii == BeyondAscii::Kept => out.push(byte),
            _ => write_hex(out, byte),
        }
    }
}

fn write_hex(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

fn write_number(out: &mut Vec<u8>, before: &str, number: u32) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{before}{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields<'_> = Fields {
        queue_id: b"",
        client_name: b"mx.sender.example",
        client_address: b"203.0.113.9",
        sender: b"alice@sender.example",
        recipient: b"bob@customer.test",
        rule: b"",
    };
    const REST: &str = ", client_name=mx.sender.example, client_address=203.0.113.9, \
                        sender=alice@sender.example, recipient=bob@customer.test";

    fn line(verdict: Verdict, reason: Reason, fields: &Fields<'_>) -> String {
        let mut out = Vec::new();
        write_decision(&mut out, Decision::new(verdict, reason), fields, BeyondAscii::Escaped);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_reason_has_postgreys_text() {
        let defer = Verdict::Defer { seconds_left: 290 };
        for (verdict, reason, expected) in [
            (Verdict::Dunno, Reason::ClientWhitelist, "action=pass, reason=client whitelist"),
            (Verdict::Dunno, Reason::RecipientWhitelist, "action=pass, reason=recipient whitelist"),
            (Verdict::Dunno, Reason::ClientAwl, "action=pass, reason=client AWL"),
            (defer, Reason::New, "action=greylist, reason=new"),
            (defer, Reason::EarlyRetry { missing: 290 }, "action=greylist, reason=early-retry (290s missing)"),
            (Verdict::Dunno, Reason::TripletFound, "action=pass, reason=triplet found"),
            (Verdict::Prepend { delayed: 400 }, Reason::TripletFound, "action=pass, reason=triplet found, delay=400"),
            (Verdict::Dunno, Reason::StateFull, "action=pass, reason=state full"),
            (defer, Reason::StateFull, "action=greylist, reason=state full"),
        ] {
            assert_eq!(line(verdict, reason, &FIELDS), format!("{expected}{REST}"));
        }
    }

    #[test]
    fn the_queue_id_comes_first_and_empty_fields_are_left_out() {
        let fields = Fields { queue_id: b"A676A98E5F6", sender: b"", ..FIELDS };
        assert_eq!(
            line(Verdict::Dunno, Reason::TripletFound, &fields),
            "A676A98E5F6: action=pass, reason=triplet found, client_name=mx.sender.example, \
             client_address=203.0.113.9, recipient=bob@customer.test"
        );
        assert_eq!(line(Verdict::Dunno, Reason::New, &Fields::default()), "action=pass, reason=new");
    }

    #[test]
    fn a_rule_stands_at_the_end_and_what_is_observed_has_passed() {
        let fields = Fields { rule: b"customers", ..FIELDS };
        let defer = Verdict::Defer { seconds_left: 300 };
        for (decision, begin) in [
            (Decision::new(defer, Reason::New), "action=greylist, reason=new"),
            (Decision::new(Verdict::Dunno, Reason::Rule), "action=pass, reason=rule"),
            (
                Decision { observed: true, ..Decision::new(Verdict::Dunno, Reason::EarlyRetry { missing: 9 }) },
                "action=pass, reason=observed: early-retry (9s missing)",
            ),
        ] {
            let mut out = Vec::new();
            write_decision(&mut out, decision, &fields, BeyondAscii::Escaped);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{begin}{REST}, rule=customers"));
        }
    }

    #[test]
    fn what_is_not_printable_ascii_is_escaped_as_postgrey_does_it() {
        let fields = Fields {
            queue_id: b"Q%\x01",
            client_name: b"e\tvil\x01\x7f\x00z\xff\xe4~",
            client_address: b"100%pure",
            sender: b"a\x1b[31mb%s@x.example\r\naction=pass",
            recipient: "\"a, b\" ä@d".as_bytes(),
            rule: b"",
        };
        assert_eq!(
            line(Verdict::Defer { seconds_left: 1 }, Reason::New, &fields),
            "Q%%%01: action=greylist, reason=new, client_name=e%09vil%01%7F%00z%FF%E4~, client_address=100%%pure, \
             sender=a%1B[31mb%%s@x.example%0D%0Aaction=pass, recipient=\"a, b\" %C3%A4@d"
        );
    }

    #[test]
    fn syslog_gets_what_is_no_ascii_as_it_is_and_control_characters_escaped() {
        let fields = Fields { sender: "\"ä%\"\n@d".as_bytes(), ..Fields::default() };
        let decision = Decision::new(Verdict::Dunno, Reason::New);
        let mut out = Vec::new();
        write_decision(&mut out, decision, &fields, BeyondAscii::Kept);
        assert_eq!(String::from_utf8(out).unwrap(), "action=pass, reason=new, sender=\"ä%%\"%0A@d");
    }

    #[test]
    fn an_event_keeps_its_text_but_not_its_line_ends() {
        let mut out = Vec::new();
        write_event(&mut out, "liste für 100%\nforged\x1b");
        assert_eq!(String::from_utf8(out).unwrap(), "liste für 100%%0Aforged%1B");
    }
}
