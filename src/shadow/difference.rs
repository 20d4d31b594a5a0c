//! The log line of a difference: who asked and about whom, as in the lines of decisions, then what each server answered.
//!
//! An answer does not carry its reason; its text stands in the line as it is, and the server's own log has the rest. Whatever
//! came from a peer or a server is escaped as in the lines of decisions, so that nobody can end a line or forge one.

use super::compare::Difference;
use super::link::Outcome;
use super::reply::action;
use crate::config::Side;
use crate::logs::{BeyondAscii, Fields, escape, write_fields, write_queue_id};
use crate::policy::{Request, Resume, Status, parse};

/// The line, all of it printable ASCII. The outcomes stand in the order of [`Side::BOTH`].
pub(super) fn line(difference: Difference, request: &[u8], outcomes: &[Outcome; 2]) -> String {
    let request = match parse(request, &mut Resume::default()) {
        Ok(Status::Complete { request, .. }) => request,
        // Only what could be parsed was asked.
        Ok(Status::Partial) | Err(_) => Request::default(),
    };
    let fields = Fields {
        queue_id: request.queue_id.unwrap_or_default(),
        client_name: request.client_name.unwrap_or_default(),
        client_address: request.client_address.unwrap_or_default(),
        sender: request.sender.unwrap_or_default(),
        recipient: request.recipient.unwrap_or_default(),
        rule: b"",
    };
    let mut out = Vec::new();
    write_queue_id(&mut out, &fields, BeyondAscii::Escaped);
    out.extend_from_slice(format!("difference={}", difference.name()).as_bytes());
    write_fields(&mut out, &fields, BeyondAscii::Escaped);
    for (side, outcome) in Side::BOTH.iter().zip(outcomes) {
        out.extend_from_slice(format!(", {}=", side.name()).as_bytes());
        match outcome {
            Ok(answer) => escape(&mut out, action(&answer.reply), BeyondAscii::Escaped),
            Err(silence) => escape(&mut out, format!("({silence})").as_bytes(), BeyondAscii::Escaped),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::link::{Answer, Silence};
    use super::*;

    fn answer(reply: &[u8]) -> Answer {
        Answer { reply: reply.to_vec(), took: Duration::ZERO }
    }

    #[test]
    fn who_what_and_both_answers() {
        let request = b"request=smtpd_access_policy\nclient_address=192.0.2.1\nclient_name=mx.test\nsender=a@b.test\n\
                        recipient=c@d.test\nqueue_id=A1\n\n";
        let outcomes = [Ok(answer(b"action=DEFER_IF_PERMIT 4.2.0 Wait, 100%\n\n")), Err(Silence::Late)];
        assert_eq!(
            line(Difference::NewSilent, request, &outcomes),
            "A1: difference=new_silent, client_name=mx.test, client_address=192.0.2.1, sender=a@b.test, \
             recipient=c@d.test, old=DEFER_IF_PERMIT 4.2.0 Wait, 100%%, new=(no answer within the deadline)"
        );
    }

    #[test]
    fn nothing_ends_the_line() {
        let request = b"sender=a\rdifference=x\x1b[31m\xff\nrecipient=%d\n\n";
        let outcomes = [Ok(answer(b"action=DUNNO\rx\0\n\n")), Err(Silence::Wrong("a\nb".to_owned()))];
        assert_eq!(
            line(Difference::NewSilent, request, &outcomes),
            "difference=new_silent, sender=a%0Ddifference=x%1B[31m%FF, recipient=%%d, old=DUNNO%0Dx%00, \
             new=(no answer: sent what is none: a%0Ab)"
        );
    }
}
