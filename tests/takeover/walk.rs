//! The walk of `docs/MIGRATING.md`, with Debian's postgrey and a real Postfix: from a running postgrey to a running irongrey and
//! back. A sender whom postgrey knows is not delayed once.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{said, tools};
use crate::postfix::{assert_accepted, deliver, prepared};
use crate::support::{Address, Chroot, Postfix, Program, Request, Setup, call, unix_now};

/// Short, so that the test need not wait long.
const DELAY: Duration = Duration::from_secs(4);
const BOB: &str = "bob@customer.test";

fn accepted(postfix: &Postfix, client: &str, sender: &str) {
    assert_accepted(&deliver(postfix, client, sender, &[BOB], sender)[0]);
}

fn deferred(postfix: &Postfix, client: &str, sender: &str) {
    let reply = deliver(postfix, client, sender, &[BOB], sender).remove(0);
    assert!(reply.starts_with("450 4.2.0 ") && reply.contains("Greylisted"), "{reply}");
}

#[test]
fn from_postgrey_to_irongrey_and_back() {
    const TEST: &str = "takeover::walk::from_postgrey_to_irongrey_and_back";
    let (Some(()), Some(dir)) = (tools(TEST), prepared(TEST)) else { return };
    let delay = format!("--delay={}", DELAY.as_secs());
    let database = dir.path().join("postgrey");
    let state = dir.path().join("irongrey");
    fs::create_dir(&database).unwrap();
    let postgrey = Setup::new(Program::Postgrey, dir.path()).state(database.clone()).tcp().with([&delay]);
    let irongrey = Setup::new(Program::Serve, dir.path()).state(state.clone()).on(postgrey.address()).own_user();
    let irongrey = irongrey.with([&delay]);
    let Address::Tcp(address) = postgrey.address().clone() else { unreachable!() };
    let running = postgrey.start();

    // Last month: regular correspondents, and a client that has earned its place in the auto-whitelist.
    let (now, mut client) = (unix_now(), running.client());
    let known: Vec<_> =
        (0..40).map(|number| (format!("10.0.{number}.1"), format!("list-{number}@sender.example"))).collect();
    for ((address, sender), ago) in known.iter().zip((0..).map(|number| 100_000 + number * 60_000)) {
        let request = Request::new(address, sender, BOB);
        for ago in [ago + 3600, ago] {
            client.ask(&request.clone().at(now - ago));
        }
    }
    for (number, sender) in
        (0..).zip(["a@busy.example", "b@busy.example", "c@busy.example", "d@busy.example", "e@busy.example"])
    {
        let (request, ago) = (Request::new("10.1.1.1", sender, BOB), (100 - 2 * number) * 3600);
        for ago in [ago, ago - 600] {
            client.ask(&request.clone().at(now - ago));
        }
    }

    let mut main_cf = OpenOptions::new().append(true).open(dir.path().join("conf/main.cf")).unwrap();
    main_cf.write_all(b"smtpd_policy_service_default_action = DUNNO\n").unwrap();
    let service = format!("check_policy_service inet:127.0.0.1:{}", address.port());
    let restrictions = format!("permit_mynetworks, reject_unauth_destination, {service}");
    let postfix = Postfix::start(dir, &restrictions, Chroot::No);
    accepted(&postfix, "10.0.0.9", "list-0@sender.example");

    let words = ["import", "postgrey", database.to_str().unwrap(), "--state", state.to_str().unwrap(), &delay];
    let import = || said(&call(&words));
    let rehearsal = import();
    assert!(rehearsal.contains(": 86 taken: 45 passed triplets, 0 waiting ones, 41 clients"), "{rehearsal}");
    accepted(&postfix, "10.0.1.9", "list-1@sender.example");
    deferred(&postfix, "10.2.0.1", "waits@sender.example");
    let ripe = Instant::now() + DELAY + Duration::from_secs(1);

    running.stop();
    accepted(&postfix, "10.3.0.1", "meanwhile@sender.example");
    let switch = import();
    assert!(switch.contains(": 2 taken: 1 passed triplets, 1 waiting ones, 0 clients"), "{switch}");
    let running = irongrey.start();
    for (address, sender) in &known {
        accepted(&postfix, address, sender);
    }
    accepted(&postfix, "10.1.1.1", "anybody@busy.example");
    deferred(&postfix, "10.1.1.2", "anybody@busy.example");
    sleep(ripe.saturating_duration_since(Instant::now()));
    accepted(&postfix, "10.2.0.1", "waits@sender.example");

    running.stop();
    let _running = postgrey.start();
    for (address, sender) in &known {
        accepted(&postfix, address, sender);
    }
    deferred(&postfix, "10.4.0.1", "unknown@sender.example");
}
