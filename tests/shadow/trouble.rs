//! Servers in trouble: what the client gets, how soon, and what is counted.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::fake::Fake;
use super::process::Shadow;
use super::{DEFERRED, DUNNO, is_open, mail};
use crate::support::{Address, Client, Daemon, Program, Setup};

/// Far below the deadlines of one second and more.
const AT_ONCE: Duration = Duration::from_millis(700);

fn irongrey(dir: &TempDir) -> Daemon {
    Setup::new(Program::Serve, dir.path()).with(["--workers=1", "--greylist-text=Wait"]).start()
}

/// Asks, and says how long it took.
fn timed(client: &mut Client, recipient: &str) -> (String, Duration) {
    let start = Instant::now();
    let reply = client.ask(&mail(recipient));
    (reply, start.elapsed())
}

#[test]
fn the_old_one_is_down_and_comes_back() {
    let (dir, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let setup = Setup::new(Program::Serve, back.path()).with(["--workers=1", "--greylist-text=Wait", "--delay=1"]);
    let new = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), setup.address(), new.address(), &["--deadline=20s"]);
    let mut client = shadow.client();
    for number in 0..20 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DEFERRED);
        assert!(taken < AT_ONCE, "{taken:?}");
    }
    shadow.journal.wait_for("cannot be reached: No such file");
    assert_eq!(shadow.journal.lines().iter().filter(|line| line.contains("it is tried again")).count(), 1);
    let line = shadow.journal.wait_for("difference=old_silent");
    assert!(line.contains("old=(no answer: c") && line.ends_with(", new=DEFER_IF_PERMIT 4.2.0 Wait"), "{line}");

    let old = setup.start();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut asked = 20;
    while !shadow.journal.lines().iter().any(|line| line.contains("answers again")) {
        assert!(Instant::now() < deadline, "the old one is not found again");
        assert_eq!(client.ask(&mail("back")), DEFERRED);
        asked += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    // Without any pause: the connection that the client has is as good as dead.
    let old = old.kill_and_restart();
    assert!(is_open(old.address()));
    for _ in 0..5 {
        assert_eq!(client.ask(&mail("again")), DEFERRED);
        asked += 1;
    }
    let summary = shadow.stop();
    assert_eq!(summary.count("old_silent"), summary.count("answered_by_other"), "{}", summary.0);
    assert_eq!(summary.count("old_silent") + summary.count("same"), asked, "{}", summary.0);
    assert!(summary.count("same") >= 6, "{}", summary.0);
}

#[test]
fn the_old_one_hangs() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(dir.path(), |_, peer| peer.wait_for_end());
    let new = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), fake.address(), new.address(), &["--deadline=1s"]);
    let mut client = shadow.client();
    for number in 0..3 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DEFERRED);
        assert!(taken >= Duration::from_secs(1) && taken < Duration::from_millis(1_700), "{number}: {taken:?}");
    }
    shadow.journal.wait_for("has missed 3 deadlines in a row");
    for number in 3..20 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DEFERRED);
        assert!(taken < AT_ONCE, "{number}: {taken:?}");
    }
    let summary = shadow.stop();
    summary.assert(&[("requests", 20), ("old_silent", 20), ("answered_by_other", 20), ("new_answers", 20)]);
}

/// It is the chosen one that is in trouble; then one that is not chosen, and nobody notices.
#[test]
fn the_new_one_hangs() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(dir.path(), |_, peer| peer.wait_for_end());
    let old = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), old.address(), fake.address(), &["--deadline=1s"]);
    let mut client = shadow.client();
    for number in 0..50 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DEFERRED);
        assert!(taken < AT_ONCE, "{number}: {taken:?}");
    }
    // The stop waits for what is under way.
    let summary = shadow.stop();
    summary.assert(&[("requests", 50), ("new_silent", 50), ("answered_by_other", 0), ("old_answers", 50)]);
}

#[test]
fn both_are_gone() {
    let dir = TempDir::new().unwrap();
    let nowhere = |name: &str| Address::Unix(dir.path().join(name));
    let shadow = Shadow::start(dir.path(), &nowhere("a"), &nowhere("b"), &["--deadline=20s"]);
    let mut client = shadow.client();
    for number in 0..3 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DUNNO);
        assert!(taken < AT_ONCE, "{taken:?}");
    }
    shadow.stop().assert(&[("requests", 3), ("both_silent", 3), ("answered_dunno", 3)]);
}

#[test]
fn both_hang() {
    let [one, two] = [(); 2].map(|()| TempDir::new().unwrap());
    let [one_fake, two_fake] = [&one, &two].map(|dir| Fake::start(dir.path(), |_, peer| peer.wait_for_end()));
    let shadow = Shadow::start(one.path(), one_fake.address(), two_fake.address(), &["--deadline=1s"]);
    let mut client = shadow.client();
    for number in 0..4 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DUNNO);
        assert!(taken >= Duration::from_secs(1) && taken < Duration::from_millis(1_700), "{taken:?}");
    }
    shadow.stop().assert(&[("requests", 4), ("both_silent", 4), ("answered_dunno", 4)]);
}

/// What is no answer never reaches the client, and what stands in the log is on one line.
#[test]
fn the_old_one_talks_nonsense() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(dir.path(), |_, mut peer| {
        while let Some(request) = peer.request() {
            let said = request.lines().find_map(|line| line.strip_prefix("sender=")).unwrap().to_owned();
            let goes_on = match &*said {
                "text" => peer.send("500 what?\r\n"),
                "binary" => peer.send("\0\u{1}\n\n"),
                "two" => peer.send("action=DUNNO\n\naction=OK\n\n"),
                "more" => peer.send("action=DUNNO\nx=y\n\n"),
                "endless" => peer.send(&format!("action={}", "x".repeat(10_000))),
                "torn" => {
                    peer.send("action=DUN");
                    break;
                }
                "closed" => break,
                _ => peer.send("action=DEFER_IF_PERMIT 4.2.0 Wait\n\n"),
            };
            assert!(goes_on);
        }
    });
    let new = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), fake.address(), new.address(), &["--deadline=20s"]);
    let mut client = shadow.client();
    let nonsense = ["text", "binary", "two", "more", "endless", "torn", "closed"];
    for said in nonsense {
        for sender in [said, "right@x.test"] {
            let start = Instant::now();
            assert_eq!(client.ask(&mail(said).with("sender", sender)), DEFERRED, "{said}");
            assert!(start.elapsed() < AT_ONCE, "{said}");
        }
    }
    for (sender, shown) in [
        ("text", "(no answer: sent what is none: 500 what?\\r\\n)"),
        ("binary", "(no answer: sent what is none: \\x00\\x01\\n\\n)"),
        ("torn", "(no answer: the connection was closed in the middle of one)"),
        ("closed", "(no answer: the connection was closed)"),
    ] {
        let line = shadow.journal.wait_for(&format!("sender={sender}, "));
        assert!(line.contains(&format!(", old={shown}, new=")), "{line}");
    }
    let count = nonsense.len() as u64;
    shadow.stop().assert(&[("requests", 2 * count), ("same", count), ("old_silent", count)]);
}

/// The answer to the first request would come when the second one is under way. It says so, and goes to nobody.
#[test]
fn a_late_answer_is_nobodys() {
    let dir = TempDir::new().unwrap();
    let (say, after_first) = mpsc::channel();
    let say = Mutex::new(say);
    let fake = Fake::start(dir.path(), move |_, mut peer| {
        while let Some(request) = peer.request() {
            if request.contains("recipient=first@") {
                say.lock().unwrap().send(peer.request()).unwrap();
                peer.send("action=REJECT late\n\n");
            } else if !peer.send("action=DEFER_IF_PERMIT 4.2.0 Wait\n\n") {
                return;
            }
        }
    });
    let new = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), fake.address(), new.address(), &["--deadline=1s"]);
    let mut client = shadow.client();
    assert_eq!(client.ask(&mail("first")), DEFERRED, "the new one's");
    for number in 0..10 {
        assert_eq!(client.ask(&mail(&format!("r{number}"))), DEFERRED);
    }
    assert_eq!(after_first.recv().unwrap(), None, "nothing more was asked on that connection");
    shadow.stop().assert(&[("requests", 11), ("same", 10), ("old_silent", 1), ("answered_by_other", 1)]);
}

/// What a server says without having been asked ends its connection before the next request goes to it.
#[test]
fn an_answer_to_nothing_is_nobodys() {
    let dir = TempDir::new().unwrap();
    let (let_go, held) = mpsc::channel();
    let held = Mutex::new(held);
    let (say, taken) = mpsc::channel();
    let say = Mutex::new(say);
    let fake = Fake::start(dir.path(), move |number, mut peer| {
        if number > 1 {
            return peer.answer_all(|_| "action=DEFER_IF_PERMIT 4.2.0 Wait".to_owned());
        }
        // The first connection only tries whether the server is there.
        if peer.request().is_none() {
            return;
        }
        peer.send("action=DEFER_IF_PERMIT 4.2.0 Wait\n\n");
        held.lock().unwrap().recv().unwrap();
        say.lock().unwrap().send(peer.send("action=REJECT unasked\n\n")).unwrap();
        peer.wait_for_end();
    });
    let new = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), fake.address(), new.address(), &["--deadline=5s"]);
    let mut client = shadow.client();
    assert_eq!(client.ask(&mail("first")), DEFERRED);
    let_go.send(()).unwrap();
    assert!(taken.recv().unwrap());
    assert_eq!(client.ask(&mail("second")), DEFERRED);
    shadow.stop().assert(&[("requests", 2), ("same", 2)]);
}

/// In time is in time: the other one's answer has long been there, and differs.
#[test]
fn the_old_one_is_slow() {
    let [one, two] = [(); 2].map(|()| TempDir::new().unwrap());
    let (say, answered) = mpsc::channel();
    let (say, answered) = (Mutex::new(say), Mutex::new(answered));
    let old = Fake::start(one.path(), move |_, peer| {
        peer.answer_all(|_| {
            answered.lock().unwrap().recv().unwrap();
            std::thread::sleep(Duration::from_millis(100));
            "action=REJECT slow".to_owned()
        });
    });
    let new = Fake::start(two.path(), move |_, mut peer| {
        while peer.request().is_some() {
            peer.send("action=DUNNO\n\n");
            say.lock().unwrap().send(()).unwrap();
        }
    });
    let shadow = Shadow::start(one.path(), old.address(), new.address(), &["--deadline=20s"]);
    let mut client = shadow.client();
    for number in 0..5 {
        assert_eq!(client.ask(&mail(&format!("r{number}"))), "action=REJECT slow");
    }
    shadow.stop().assert(&[("requests", 5), ("other_action", 5), ("answered_by_other", 0)]);
}

/// A host that is off does not even refuse: a socket whose queue is full takes no connection either.
#[test]
fn no_connection_to_the_old_one_is_made() {
    let dir = TempDir::new().unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let _waiting: Vec<TcpStream> = std::iter::from_fn(connect).collect();
    let new = irongrey(&dir);
    let shadow = Shadow::start(dir.path(), &Address::Tcp(address), new.address(), &["--deadline=1s"]);
    let mut client = shadow.client();
    for number in 0..8 {
        let (reply, taken) = timed(&mut client, &format!("r{number}"));
        assert_eq!(reply, DEFERRED);
        assert!(taken < Duration::from_millis(1_700) && (number < 3 || taken < AT_ONCE), "{number}: {taken:?}");
    }
    shadow.stop().assert(&[("requests", 8), ("old_silent", 8), ("answered_by_other", 8)]);
}
