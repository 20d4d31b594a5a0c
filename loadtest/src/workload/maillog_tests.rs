//! A mail log becomes the requests that it tells of, in the order of their time.

use std::time::Duration;

use super::attributes::tests::value;
use super::maillog::Maillog;
use super::replay_tests::{drain, file, gzip};
use super::{Origin, Part, Planned, Source};

const LOG: &str = "\
TIME(0) mx postfix/smtpd[16]: connect from a.example[192.0.2.7]
TIME(1) mx postfix/smtpd[16]: NOQUEUE: reject: RCPT from a.example[192.0.2.7]: 450 4.2.0 <bob@b.test>: Greylisted; \
from=<alice@a.example> to=<bob@b.test> proto=SMTP helo=<helo.example>
TIME(2) mx postfix/smtpd[16]: 4F1: client=unknown[2001:db8::9]
TIME(3) mx postfix/cleanup[9]: 4F1: message-id=<x@a.example>
TIME(3) mx postfix/qmgr[8]: 4F1: from=<carol@c.example>, size=1234, nrcpt=2 (queue active)
TIME(4) mx postfix/smtpd[17]: NOQUEUE: reject: RCPT from a.example[192.0.2.8]: 450 x; \
from=<> to=<eve@b.test> proto=ESMTP helo=<h>
TIME(5) mx postfix/smtp[7]: 4F1: to=<dora@b.test>, relay=none, delay=1, status=deferred (later)
TIME(6) mx postfix/lmtp[7]: 4F1: to=<x@in.test>, orig_to=<bob@b.test>, relay=in.test, delay=1, status=sent (ok)
TIME(7) mx postfix/smtp[7]: 4F1: to=<dora@b.test>, relay=out.test, delay=3, status=sent (ok)
TIME(8) mx postfix/qmgr[8]: 4F1: removed
TIME(9) mx postfix/smtpd[16]: 4F2: client=a.example[192.0.2.7]
";

/// The log with its times written by `stamp`.
fn log(stamp: impl Fn(u64) -> String) -> String {
    (0..10).fold(LOG.to_owned(), |log, second| log.replace(&format!("TIME({second})"), &stamp(second)))
}

fn maillog(content: &[u8]) -> anyhow::Result<(String, Vec<Planned>, String)> {
    let (_directory, path) = file("mail.log", content);
    let mut source = Source::new(Origin::Maillog(Box::new(Maillog::open(&path, Part::WHOLE)?)), Some(1000));
    let (text, planned) = drain(&mut source)?;
    Ok((text, planned, source.summary().unwrap()))
}

#[test]
fn a_log_becomes_its_requests_with_either_form_of_time() {
    let classic = log(|second| format!("Dec 31 23:59:{:02}", second + 50));
    let modern = log(|second| format!("2025-12-31T23:59:{:02}.000001+01:00", second + 50));
    let (text, planned, summary) = maillog(classic.as_bytes()).unwrap();
    let due: Vec<_> = planned.iter().map(|planned| planned.due.unwrap().as_secs()).collect();
    assert_eq!(due, [0, 1, 1, 3]);
    assert_ne!(planned[0].network, planned[1].network);
    assert_eq!(planned[0].network, planned[3].network);
    let of = |name| text.split_terminator("\n\n").map(|request| value(request, name)).collect::<Vec<_>>();
    assert_eq!(of("client_address"), ["192.0.2.7", "2001:db8::9", "2001:db8::9", "192.0.2.8"]);
    assert_eq!(of("sender"), ["alice@a.example", "carol@c.example", "carol@c.example", ""]);
    assert_eq!(of("recipient"), ["bob@b.test", "dora@b.test", "bob@b.test", "eve@b.test"]);
    assert_eq!(of("helo_name"), ["helo.example", "unknown", "unknown", "h"]);
    assert_eq!(of("protocol_name"), ["SMTP", "ESMTP", "ESMTP", "ESMTP"]);
    assert_eq!(of("size"), ["0", "1234", "1234", "0"]);
    assert_eq!(of("queue_id"), ["", "", "4F1", ""]);
    assert_eq!(of("policy_test_time"), ["1000", "1001", "1001", "1003"]);
    assert_eq!(of("instance")[1], of("instance")[2]);
    let (told, kinds) = summary.split_once('\n').unwrap();
    assert!(
        told.ends_with(": 11 lines read, 8 used for 4 requests from 2025-12-31 23:59:51 to 2025-12-31 23:59:54"),
        "{told}"
    );
    assert!(kinds.contains("2 passed over: of Postfix,") && kinds.contains("1 passed over: about accepted"), "{kinds}");

    let (modern_text, modern_planned, _) = maillog(&gzip(modern.as_bytes())).unwrap();
    assert_eq!(modern_planned, planned);
    let apart = |(modern, classic): &(&str, &str)| modern != classic && !modern.starts_with("instance=");
    assert_eq!(modern_text.lines().zip(text.lines()).find(apart), None);
    assert_eq!(modern_text.lines().count(), text.lines().count());
}

#[test]
fn a_year_that_turns_does_not_turn_time_back() {
    let classic =
        log(|second| if second < 2 { format!("Dec 31 23:59:5{second}") } else { format!("Jan  1 00:00:0{second}") });
    let (_, planned, _) = maillog(classic.as_bytes()).unwrap();
    let due: Vec<_> = planned.iter().map(|planned| planned.due.unwrap()).collect();
    assert_eq!(due, [0, 11, 11, 13].map(Duration::from_secs));
}

#[test]
fn a_message_is_held_for_five_minutes_and_no_longer() {
    let late = |second: u32| {
        format!(
            "2026-01-01T00:00:00Z mx postfix/smtpd[1]: 4F1: client=a.example[192.0.2.7]\n\
             2026-01-01T00:00:01Z mx postfix/qmgr[1]: 4F1: from=<a@a.example>, size=1, nrcpt=1 (queue active)\n\
             2026-01-01T00:00:02Z mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from b.example[192.0.2.9]: 450 x; \
             from=<> to=<b@b.test> proto=SMTP helo=<h>\n\
             2026-01-01T00:0{}:{:02}Z mx postfix/smtp[1]: 4F1: to=<c@b.test>, relay=x, status=sent\n",
            second / 60,
            second % 60
        )
    };
    let recipients = |log: &str| {
        let (text, ..) = maillog(log.as_bytes()).unwrap();
        text.split_terminator("\n\n").map(|request| value(request, "recipient").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(recipients(&late(299)), ["c@b.test", "b@b.test"]);
    assert_eq!(recipients(&(late(299) + &late(304))).len(), 4);
    let far = late(302).replace("00:05:02Z mx postfix/smtp", "00:05:02Z mx x\n2026-01-01T00:05:03Z mx postfix/smtp");
    assert_eq!(recipients(&far), ["b@b.test"]);
}

#[test]
fn a_file_without_a_recipient_is_no_mail_log() {
    let lines = "Nov 23 10:00:01 mx kernel: hello\nNov 23 10:00:01 mx postfix/qmgr[1]: 4F1: removed\nhello\n";
    let error = maillog(lines.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("mail.log: 3 lines read, 0 used")
            && error.contains("no line tells of a recipient")
            && error.contains("Postfix mail log"),
        "{error}"
    );
    let kinds = error.lines().filter_map(|line| line.trim().strip_prefix("1 passed over: ")).collect::<Vec<_>>();
    assert!(kinds.len() == 3 && kinds[1].starts_with("about messages that smtpd had not accepted"), "{error}");
}

#[test]
fn every_line_is_counted_once() {
    let stamped = log(|second| format!("2026-01-01T00:00:{second:02}Z"));
    let queued =
        |id| format!("2026-01-01T00:00:10Z mx postfix/qmgr[8]: {id}: from=<>, size=1, nrcpt=1 (queue active)\n");
    let client = "2026-01-01T00:00:10Z mx postfix/smtpd[1]: 4F9: client=localhost[127.0.0.1]\n";
    let local = [client, &queued("4F9"), &queued("4F2")].concat();
    let (_, _, summary) = maillog(format!("{stamped}{local}no time\n{stamped}").as_bytes()).unwrap();
    let number = |text: &str| text.split_whitespace().next().unwrap().parse::<u64>().unwrap();
    let (told, kinds) = summary.split_once('\n').unwrap();
    let used = number(told.split(", ").nth(1).unwrap());
    assert_eq!(number(told.split(": ").nth(1).unwrap()), used + kinds.lines().map(number).sum::<u64>(), "{summary}");
}
