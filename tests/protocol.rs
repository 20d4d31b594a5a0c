//! The protocol as one table of what is sent and what comes back, with one worker and with four, whole and in pieces.

use std::net::Shutdown;

use tempfile::TempDir;

use crate::support::{Client, Daemon, Program, Request, Setup};

const NOW: u64 = 1_700_000_000;
const DUNNO: &str = "action=DUNNO";
const DEFERRED: &str = "action=DEFER_IF_PERMIT 4.2.0 Wait 300 for customer.test";

fn daemon(dir: &TempDir, workers: usize) -> Daemon {
    let options = [format!("--workers={workers}"), "--greylist-text=Wait %s for %r".to_owned()];
    Setup::new(Program::Serve, dir.path()).with(["--test-clock", "--quiet"]).with(options).start()
}

/// A request for a mailbox of its own, as Postfix sends it.
fn mail(name: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", &format!("{name}@customer.test")).at(NOW)
}

/// The same with a piece of text put in front, behind its first line, or in the place of another piece.
fn text(name: &str) -> String {
    String::from_utf8(mail(name).wire()).unwrap()
}

fn replaced(name: &str, from: &str, to: &str) -> Vec<u8> {
    let text = text(name);
    assert!(text.contains(from), "nothing to replace");
    text.replace(from, to).into_bytes()
}

fn before(name: &str, piece: &[u8]) -> Vec<u8> {
    [piece, text(name).as_bytes()].concat()
}

/// What it is, what is sent, and the replies in their order.
type Row = (&'static str, Vec<u8>, &'static [&'static str]);

fn table() -> Vec<Row> {
    let mut rows: Vec<Row> = vec![
        ("a request", mail("plain").wire(), &[DEFERRED]),
        ("line ends of DOS", replaced("dos", "\n", "\r\n"), &[DEFERRED]),
        ("two at once", [mail("one").wire(), mail("two").wire()].concat(), &[DEFERRED, DEFERRED]),
        (
            "in their order",
            [mail("x").wire(), mail("").with("recipient", "x@other.test").wire(), mail("x").without("sender").wire()]
                .concat(),
            &[DEFERRED, "action=DEFER_IF_PERMIT 4.2.0 Wait 300 for other.test", DUNNO],
        ),
        (
            "a reply without a status",
            mail("ehlo").without("etrn_domain").wire(),
            &["action=DEFER_IF_PERMIT Wait 300 for customer.test"],
        ),
        (
            "the domain's case kept",
            mail("").with("recipient", "case@Customer.TEST").wire(),
            &["action=DEFER_IF_PERMIT 4.2.0 Wait 300 for Customer.TEST"],
        ),
        ("a value with =", mail("equals").with("sender", "a=b=c@sender.example").wire(), &[DEFERRED]),
        ("the null sender", mail("null").with("sender", "").wire(), &[DEFERRED]),
        (
            "no recipient at RCPT",
            mail("").with("recipient", "").wire(),
            &["action=DEFER_IF_PERMIT 4.2.0 Wait 300 for "],
        ),
        ("no recipient at DATA", mail("").with("recipient", "").with("protocol_state", "DATA").wire(), &[DUNNO]),
        ("an authenticated client", mail("sasl").with("sasl_username", "alice").wire(), &[DUNNO]),
        ("IPv6", mail("six").with("client_address", "2001:db8::1").wire(), &[DEFERRED]),
        ("an unknown attribute", mail("new").with("attribute_of_tomorrow", "1").wire(), &[DEFERRED]),
        ("the last of two counts", before("last", b"client_address=nonsense\nrecipient=x@other.test\n"), &[DEFERRED]),
        ("a line without =", before("garbage", b"garbage\n"), &[DEFERRED]),
        ("a name of nothing", before("nameless", b"=value\n"), &[DEFERRED]),
        ("bytes of any value", before("bytes", b"\x01\x02\xff\xfe=\x80\n\x00\n"), &[DEFERRED]),
        ("NUL in a sender", mail("nul").with("sender", "a\0b@sender.example").wire(), &[DEFERRED]),
        ("a bare CR", mail("cr").with("sender", "a\rb@sender.example").wire(), &[DEFERRED]),
        (
            "control bytes go into no reply",
            mail("").with("recipient", "x@cus\rtomer\0.test").wire(),
            &["action=DEFER_IF_PERMIT 4.2.0 Wait 300 for cus?tomer?.test"],
        ),
        ("no request type", mail("typeless").without("request").wire(), &[DUNNO]),
        ("another type", mail("other").with("request", "junk_access_policy").wire(), &[DUNNO]),
        ("another type's case", mail("case").with("request", "SMTPD_ACCESS_POLICY").wire(), &[DUNNO]),
        ("an empty request", before("empty", b"\n"), &[DUNNO, DEFERRED]),
        ("names have a case", replaced("upper", "sender=", "SENDER="), &[DUNNO]),
        ("names have no blanks", replaced("blank", "sender=", " sender="), &[DUNNO]),
        ("no address", mail("x").with("client_address", "unknown").wire(), &[DUNNO]),
        ("an empty address", mail("x").with("client_address", "").wire(), &[DUNNO]),
        ("an address out of range", mail("x").with("client_address", "300.1.1.1").wire(), &[DUNNO]),
        ("HTTP", b"GET / HTTP/1.0\r\nHost: x\r\n\r\n".to_vec(), &[DUNNO]),
        ("the end of a request missing", text("half").trim_end().as_bytes().to_vec(), &[]),
        ("nothing", Vec::new(), &[]),
    ];
    for name in ["client_address", "client_name", "sender", "recipient"] {
        rows.push(("a missing attribute", mail("missing").without(name).wire(), &[DUNNO]));
    }
    rows
}

/// The replies as they go over the wire.
fn wire(replies: &[&str]) -> String {
    replies.iter().flat_map(|reply| [reply, "\n\n"]).collect()
}

/// Sends each row of the table on a connection of its own and compares all that comes back until the connection ends.
fn whole(workers: usize) {
    let dir = TempDir::new().unwrap();
    let daemon = daemon(&dir, workers);
    for (what, send, expect) in table() {
        let mut client = daemon.client();
        client.send(&send);
        assert_eq!(client.finish(), wire(expect), "{what}, {workers} workers");
    }
    let mut client = daemon.client();
    let rows = table().into_iter().filter(|(_, _, expect)| !expect.is_empty());
    for (what, send, expect) in rows {
        client.send(&send);
        for reply in expect {
            assert_eq!(&client.reply(), reply, "{what}, {workers} workers, all on one connection");
        }
    }
}

#[test]
fn each_row_with_one_worker() {
    whole(1);
}

#[test]
fn each_row_with_four_workers() {
    whole(4);
}

/// Each row is cut in two at every byte, each cut on a connection of its own. All first pieces are sent before any second
/// one, and the daemon has answered others meanwhile, so that the two are not read at once.
fn split(workers: usize) {
    let dir = TempDir::new().unwrap();
    let daemon = daemon(&dir, workers);
    for (what, send, expect) in table() {
        let mut cut: Vec<(usize, Client)> = (1..send.len()).map(|at| (at, daemon.client())).collect();
        for (at, client) in &mut cut {
            client.send(&send[..*at]);
        }
        for _ in 0..4 * workers {
            daemon.client().ask(&mail("meanwhile"));
        }
        for (at, mut client) in cut {
            client.send(&send[at..]);
            assert_eq!(client.finish(), wire(expect), "{what}, cut at {at}, {workers} workers");
        }
    }
}

#[test]
fn split_at_every_byte_with_one_worker() {
    split(1);
}

#[test]
fn split_at_every_byte_with_four_workers() {
    split(4);
}

#[test]
fn byte_by_byte() {
    let dir = TempDir::new().unwrap();
    let daemon = daemon(&dir, 1);
    let mut client = daemon.client();
    for byte in mail("slow").wire() {
        client.send(&[byte]);
        std::thread::yield_now();
    }
    assert_eq!(client.reply(), DEFERRED);
}

/// More requests in one piece than are read in one turn, and more replies than a socket takes at once.
#[test]
fn ten_thousand_pipelined() {
    let dir = TempDir::new().unwrap();
    let daemon = daemon(&dir, 4);
    let count = 10_000;
    let requests: Vec<u8> =
        (0..count).flat_map(|number| mail("").with("recipient", &recipient(number)).wire()).collect();
    let mut client = daemon.client();
    let mut sender = client.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        std::io::Write::write_all(&mut sender, &requests).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    for number in 0..count {
        let expected = format!("action=DEFER_IF_PERMIT 4.2.0 Wait 300 for d{number}.test");
        assert_eq!(client.reply(), expected);
    }
    sending.join().unwrap();
    assert_eq!(client.rest(), "");
}

fn recipient(number: usize) -> String {
    format!("bob@d{number}.test")
}
