//! The end of the daemon and what its successor knows: killed under load, asked to stop, two on one state, reload.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Address, Client, Daemon, Program, Request, Rng, Setup, call, unix_now};

const DELAY: u64 = 300;
const PEERS: usize = 4;

/// The second at which the tests are played.
static NOW: LazyLock<u64> = LazyLock::new(unix_now);

fn setup(dir: &TempDir) -> Setup {
    Setup::new(Program::Serve, dir.path()).with([
        "--test-clock",
        "--quiet",
        "--auto-whitelist-clients=0",
        "--workers=2",
    ])
}

/// The triplet of this number.
fn mail(number: usize) -> Request {
    Request::new("192.0.2.1", &format!("s{number}x@sender.example"), "bob@customer.test")
}

fn is_deferred(reply: &str) -> bool {
    reply.starts_with("action=DEFER_IF_PERMIT ")
}

/// What has been acknowledged of each triplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acknowledged {
    /// The first try was answered.
    Pending,
    /// A retry was accepted.
    Passed,
}

/// New triplets, and retries of some of them, until the daemon is gone. Each answer is written down before the next
/// question.
fn load(address: &Address, next: &AtomicUsize) -> Vec<(usize, Acknowledged)> {
    let mut client = Client::connect(address);
    let mut ledger = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Ok(reply) = client.try_ask(&mail(number).at(*NOW)) else { return ledger };
        assert!(is_deferred(&reply), "triplet {number} is new: {reply}");
        ledger.push((number, Acknowledged::Pending));
        if number.is_multiple_of(3) {
            let Ok(reply) = client.try_ask(&mail(number).at(*NOW + DELAY)) else { return ledger };
            assert!(!is_deferred(&reply), "{reply}");
            ledger.push((number, Acknowledged::Passed));
        }
    }
}

/// How many of these the daemon does not know. After the delay a pending triplet passes; one that had passed before does
/// so without a header.
fn lost(daemon: &Daemon, ledger: &HashMap<usize, Acknowledged>) -> usize {
    let mut client = daemon.client();
    let mut lost = 0;
    for (&number, &acknowledged) in ledger {
        let reply = client.ask(&mail(number).at(*NOW + DELAY));
        let is_known = match acknowledged {
            Acknowledged::Pending => !is_deferred(&reply),
            Acknowledged::Passed => reply == "action=DUNNO",
        };
        lost += usize::from(!is_known);
    }
    lost
}

/// `KILLS=1000` sets how many; 20 otherwise.
#[test]
fn kills_under_load_lose_nothing() {
    let kills = std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap());
    let seed = Rng::seed();
    let mut rng = Rng::new(seed);
    let dir = TempDir::new().unwrap();
    let mut daemon = setup(&dir).start();
    let next = AtomicUsize::new(0);
    let mut all = HashMap::new();
    for round in 0..kills {
        let address = daemon.address().clone();
        let (written, restarted) = thread::scope(|scope| {
            let peers: Vec<_> = (0..PEERS).map(|_| scope.spawn(|| load(&address, &next))).collect();
            thread::sleep(Duration::from_millis(rng.below(200)));
            let restarted = daemon.kill_and_restart();
            let written: Vec<_> = peers.into_iter().flat_map(|peer| peer.join().unwrap()).collect();
            (written, restarted)
        });
        daemon = restarted;
        let ledger: HashMap<usize, Acknowledged> = written.into_iter().collect();
        assert_eq!(lost(&daemon, &ledger), 0, "of {} in round {round}, IRONGREY_SEED={seed}", ledger.len());
        all.extend(ledger);
    }
    assert!(all.len() > 1_000, "only {} triplets under load", all.len());
    let daemon = daemon.kill_and_restart();
    let passed: HashMap<_, _> = all.into_keys().map(|number| (number, Acknowledged::Passed)).collect();
    assert_eq!(lost(&daemon, &passed), 0, "of all {} that had passed, IRONGREY_SEED={seed}", passed.len());
    println!("{kills} kills, 0 of {} acknowledged triplets lost", passed.len());
}

/// What stands in the socket when the daemon is told to stop is answered, and known to the next one.
#[test]
fn a_stop_under_load_answers_what_has_been_received() {
    const PIPELINED: usize = 50;
    let dir = TempDir::new().unwrap();
    let mut daemon = setup(&dir).start();
    let mut idle = daemon.client();
    idle.ask(&mail(0).at(*NOW));
    let mut clients: Vec<Client> = (0..40).map(|_| daemon.client()).collect();
    // One answer each, so that each connection is known to have been accepted.
    for client in &mut clients {
        client.ask(&mail(0).at(*NOW));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let requests = (0..PIPELINED).flat_map(|offset| mail(number * PIPELINED + offset).at(*NOW).wire());
        client.stream().write_all(&requests.collect::<Vec<u8>>()).unwrap();
    }
    daemon.signal(Signal::SIGTERM);
    for (number, client) in clients.into_iter().enumerate() {
        let replies = client.rest();
        assert_eq!(replies.matches("\n\n").count(), PIPELINED, "connection {number}");
    }
    assert_eq!(idle.rest(), "");
    let status = daemon.wait().expect("the daemon ends");
    assert_eq!(status.code(), Some(0), "{:?}", daemon.journal().lines());

    let daemon = setup(&dir).start();
    let ledger = (0..40 * PIPELINED).map(|number| (number, Acknowledged::Pending)).collect();
    assert_eq!(lost(&daemon, &ledger), 0);
}

#[test]
fn a_stop_ends_at_once_though_peers_are_silent() {
    let dir = TempDir::new().unwrap();
    let mut daemon = setup(&dir).start();
    let mut half = daemon.client();
    // Connections are taken before signals are: an answer shows that the daemon has started.
    half.ask(&mail(1).at(*NOW));
    half.send(b"request=smtpd_access_policy\n");
    let idle = daemon.client();
    let start = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().expect("the daemon ends").code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!((half.rest(), idle.rest()), (String::new(), String::new()));
}

/// Also one that comes before the daemon has started ends it in order.
#[test]
fn a_stop_at_any_moment_is_in_order() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients");
    let names: Vec<String> = (0..20_000).map(|number| format!("mail{number}.example\n")).collect();
    std::fs::write(&list, names.concat()).unwrap();
    for _ in 0..10 {
        let mut daemon = setup(&dir).with([format!("--whitelist-clients={}", list.display())]).start();
        let mut client = daemon.client();
        client.send(&mail(1).at(*NOW).wire());
        daemon.signal(Signal::SIGHUP);
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.wait().expect("the daemon ends").code(), Some(0), "{:?}", daemon.journal().lines());
        assert_eq!(client.rest().matches("\n\n").count(), 1);
    }
}

#[test]
fn two_daemons_on_one_state() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    // It has the state once it answers; connections are taken before that.
    assert!(is_deferred(&daemon.client().ask(&mail(1).at(*NOW))));
    let (code, error) = setup(&dir).unix(dir.path().join("second.sock")).start_refused();
    assert_eq!(code, Some(75), "{error}");
    assert!(error.contains(&daemon.pid().to_string()), "the first one's number is missing: {error}");
    assert!(!dir.path().join("second.sock").exists(), "it leaves no socket that nobody answers on");
    assert!(is_deferred(&daemon.client().ask(&mail(1).at(*NOW))), "the first one still serves");
}

/// The socket of a daemon that was killed lies about; that of a daemon that serves is not taken.
#[test]
fn two_daemons_on_one_socket() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let (code, error) = setup(&dir).state(dir.path().join("second")).start_refused();
    assert_eq!(code, Some(1), "{error}");
    let Address::Unix(socket) = daemon.address() else { unreachable!() };
    assert!(error.contains(&socket.display().to_string()), "the socket is not named: {error}");
    assert!(is_deferred(&daemon.client().ask(&mail(1).at(*NOW))), "the first one still serves");
}

#[test]
fn a_reload_takes_the_new_list_and_keeps_connections() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients");
    std::fs::write(&list, "old.example\n").unwrap();
    let option = format!("--whitelist-clients={}", list.display());
    let daemon = setup(&dir).with([option]).start();
    let mut client = daemon.client();
    let [old, new] = ["old.example", "new.example"].map(|name| mail(1).with("client_name", name).at(*NOW));
    assert_eq!(client.ask(&old), "action=DUNNO");
    assert!(is_deferred(&client.ask(&new)));

    std::fs::write(&list, "new.example\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_deferred(&client.ask(&new)) {
        assert!(Instant::now() < deadline, "the new list is not read");
    }
    assert!(is_deferred(&client.ask(&old)));

    // A list that was read and is gone is not taken for an empty one.
    std::fs::remove_file(&list).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("not reloaded, everything stays as it was: client whitelist ");
    assert_eq!(client.ask(&new), "action=DUNNO");
}

/// The same for a list that did not have to be there.
#[test]
fn a_local_list_that_is_gone_keeps_the_old_one() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients.local");
    let option = format!("--whitelist-clients={}", list.display());
    let daemon = Setup::new(Program::Irongrey, dir.path()).with(["--test-clock"]).with([option]).start();
    let mut client = daemon.client();
    let listed = mail(1).with("client_name", "new.example").at(*NOW);
    assert!(is_deferred(&client.ask(&listed)));
    std::fs::write(&list, "new.example\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("whitelists reloaded");
    assert_eq!(client.ask(&listed), "action=DUNNO");
    std::fs::remove_file(&list).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("clients.local is gone");
    assert_eq!(client.ask(&listed), "action=DUNNO");
}

/// `irongrey state check` beside a daemon, after it was killed, and on what somebody has damaged.
#[test]
fn a_state_is_checked_beside_the_daemon_and_after_it() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let mut client = daemon.client();
    for number in 0..50 {
        assert!(is_deferred(&client.ask(&mail(number).at(*NOW))));
    }
    let check = || {
        let output = call(&["state", "check", dir.path().join("serve-state").to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, report) = check();
    assert!(code == Some(0) && report.contains(&format!("in use by process {}", daemon.pid())), "{report}");
    assert!(report.contains(" 50 pending"), "{report}");
    daemon.signal(Signal::SIGKILL);
    drop(daemon);
    let (code, report) = check();
    assert!(code == Some(0) && report.contains("the last process was killed"), "{report}");
    std::fs::write(dir.path().join("serve-state/pending-00000001.seg"), "damaged").unwrap();
    let (code, report) = check();
    assert!(code == Some(1) && report.contains("pending-00000001.seg: damaged: "), "{report}");
}
