//! What the mixed load keeps to: determinism, disjoint parts, the programs' schedules, the shares, whole requests.

use std::collections::{HashMap, HashSet};

use super::attributes::RECORDED;
use super::attributes::tests::{names, value};
use super::mail::{Model, Role};
use super::network::{Part, network_of_text};
use super::{Planned, Source, WorkloadOptions};
use clap::{Args, FromArgMatches};

fn options(arguments: &[&str]) -> WorkloadOptions {
    let command = WorkloadOptions::augment_args(clap::Command::new("test"));
    let matches = command.get_matches_from(["test", "--workload", "mix"].iter().chain(arguments));
    WorkloadOptions::from_arg_matches(&matches).unwrap()
}

fn source(arguments: &[&str], part: Part) -> Source {
    options(arguments).source(part).unwrap()
}

fn take(source: &mut Source, count: usize) -> Vec<(Planned, String)> {
    let next = |_| {
        let mut out = Vec::new();
        let planned = source.next(&mut out).unwrap().unwrap();
        (planned, String::from_utf8(out).unwrap())
    };
    (0..count).map(next).collect()
}

#[test]
fn the_seed_decides_every_byte() {
    let requests = |seed| take(&mut source(&["--seed", seed], Part::WHOLE), 5000);
    assert_eq!(requests("1"), requests("1"));
    assert_ne!(requests("1"), requests("2"));
}

#[test]
fn each_request_has_the_attributes_of_postfix_and_its_network() {
    let wanted = names(RECORDED.split_inclusive("\n\n").next().unwrap());
    let mut ipv6 = 0;
    for (planned, request) in take(&mut source(&["--per-second", "5"], Part::WHOLE), 20_000) {
        assert_eq!(names(&request), wanted);
        assert_eq!(request.find("\n\n"), Some(request.len() - 2), "{request}");
        let address = value(&request, "client_address");
        assert_eq!(planned.network, network_of_text(address.as_bytes()), "{request}");
        assert_ne!(planned.network, 0);
        assert!(request.contains(".test\nrecipient_count=0\n"), "{request}");
        ipv6 += usize::from(address.contains(':'));
    }
    assert!((2000..4000).contains(&ipv6), "{ipv6}");
}

#[test]
fn time_never_goes_back_and_stands_last_under_a_test_clock() {
    let mut last = None;
    for (planned, request) in take(&mut source(&["--per-second", "5", "--test-clock", "1000"], Part::WHOLE), 20_000) {
        assert!(planned.due >= last, "{request}");
        last = planned.due;
        let time = 1000 + planned.due.unwrap().as_secs();
        assert!(request.ends_with(&format!("\npolicy_context=\npolicy_test_time={time}\n\n")), "{request}");
    }
    assert!(last.unwrap().as_secs() > 600, "too short for retries");
}

#[test]
fn parts_share_no_network_and_together_are_the_whole() {
    let (mut owners, mut parts) = (HashMap::new(), HashSet::new());
    for index in 0..3 {
        for (planned, request) in take(&mut source(&["--per-second", "5"], Part::new(index, 3).unwrap()), 5000) {
            assert_eq!(*owners.entry(planned.network).or_insert(index), index);
            parts.insert(request);
        }
    }
    for (_, request) in take(&mut source(&["--per-second", "5"], Part::WHOLE), 5000) {
        assert!(parts.contains(&request), "{request}");
    }
}

/// When each sender wrote to each recipient, in microseconds, and from which network.
fn attempts(arguments: &[&str], count: usize) -> HashMap<(String, String), Vec<(u64, u64)>> {
    let mut attempts: HashMap<_, Vec<_>> = HashMap::new();
    for (planned, request) in take(&mut source(arguments, Part::WHOLE), count) {
        let key = (value(&request, "sender").to_owned(), value(&request, "recipient").to_owned());
        let due = u64::try_from(planned.due.unwrap().as_micros()).unwrap();
        attempts.entry(key).or_default().push((due, planned.network));
    }
    attempts
}

#[test]
fn strangers_retry_as_their_program_does_until_the_delay_is_over() {
    let arguments = ["--strangers", "100", "--newsletters", "0", "--bounces", "0", "--bots", "0", "--hasty-bots", "0"];
    let arguments = [&arguments[..], &["--per-second", "1", "--delay", "2000"]].concat();
    let model = Model::new(1, options(&arguments).mix);
    let attempts = attempts(&arguments, 100_000);
    let end = attempts.values().flatten().map(|(time, _)| *time).max().unwrap();
    let (mut passed, mut retries, mut several_networks) = (0, 0, 0);
    for number in 0..1000 {
        let mail = model.mail(number);
        let mut key = (Vec::new(), Vec::new());
        mail.write_sender(&mut key.0);
        mail.write_recipient(0, &mut key.1);
        let found = &attempts[&(String::from_utf8(key.0).unwrap(), String::from_utf8(key.1).unwrap())];
        let due = |retry| if retry == 0 { Some(0) } else { mail.mta.age(retry, mail.chance) };
        let planned: Vec<u64> =
            (0..).map_while(due).map(|age| model.arrival(number) + u64::from(age) * 1_000_000).collect();
        let times: Vec<u64> = found.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, planned[..times.len()], "{mail:?}");
        let waited = |end: usize| {
            let first = found.iter().find(|(_, network)| *network == found[end].1).unwrap().0;
            found[end].0 / 1_000_000 - first / 1_000_000
        };
        let last = found.len() - 1;
        let ended = planned.get(found.len()).is_some_and(|next| *next >= end);
        assert!((waited(last) >= 2000 || ended) && (0..last).all(|earlier| waited(earlier) < 2000), "{found:?}");
        passed += usize::from(!ended);
        retries += last;
        several_networks += usize::from(found.iter().any(|(_, network)| *network != found[0].1));
    }
    assert!(passed > 900 && retries > 1000 && several_networks > 10, "{passed} {retries} {several_networks}");
}

#[test]
fn regular_mail_is_sent_once_when_its_triplet_has_passed() {
    let arguments = ["--strangers", "0", "--newsletters", "0", "--bounces", "0", "--bots", "0", "--hasty-bots", "0"];
    let arguments = [&arguments[..], &["--correspondents", "50", "--per-second", "1"]].concat();
    let requests = take(&mut source(&arguments, Part::WHOLE), 30_000);
    let mut attempts: HashMap<_, Vec<u64>> = HashMap::new();
    let mut deferred = 0;
    for (planned, request) in &requests {
        let key = (planned.network, value(request, "sender"), value(request, "recipient"));
        let times = attempts.entry(key).or_default();
        times.push(planned.due.unwrap().as_secs());
        deferred += usize::from(times[times.len() - 1] - times[0] < 300);
    }
    assert!((50..3000).contains(&deferred), "{deferred}");
    let messages: HashSet<&str> = requests.iter().map(|(_, request)| value(request, "instance")).collect();
    let last = requests.last().unwrap().0.due.unwrap().as_secs();
    // One message a second, and few retries beside them.
    assert!(messages.len() as u64 > last && (messages.len() as u64) < last * 11 / 10, "{} {last}", messages.len());
}

#[test]
fn the_shares_are_those_of_the_options() {
    let model = Model::new(7, options(&["--bots", "25", "--ipv6", "40", "--several", "30"]).mix);
    let mails: Vec<_> = (0..20_000).map(|number| model.mail(number)).collect();
    let other = Model::new(8, options(&["--bots", "25"]).mix);
    assert!(
        mails.iter().zip(0..).any(|(mail, number)| other.mail(number).role != mail.role),
        "the seed decides nothing"
    );
    let share = |wanted: &dyn Fn(&super::mail::Mail) -> bool| mails.iter().filter(|mail| wanted(mail)).count() / 20;
    for (role, percent) in [
        (Role::Bot, 25),
        (Role::HastyBot, 5),
        (Role::Stranger, 12),
        (Role::Newsletter, 10),
        (Role::Bounce, 3),
        (Role::Regular, 45),
    ] {
        let found = share(&|mail| mail.role == role);
        assert!(found.abs_diff(percent * 10) < 12, "{role:?}: {found} of 1000");
    }
    let bots = |mail: &super::mail::Mail| mail.role == Role::Bot;
    assert!(share(&|mail| bots(mail) && mail.ipv6).abs_diff(100) < 12);
    assert!(share(&|mail| bots(mail) && mail.recipients > 1).abs_diff(75) < 12);
}

#[test]
fn shares_above_a_hundred_are_refused() {
    let error = options(&["--bots", "90"]).source(Part::WHOLE).err().unwrap().to_string();
    assert!(error.contains("--bots") && error.contains("120 percent"), "{error}");
}

#[test]
fn senders_look_like_their_kind() {
    let requests = take(&mut source(&["--per-second", "5"], Part::WHOLE), 5000);
    let senders: Vec<&str> = requests.iter().map(|(_, request)| value(request, "sender")).collect();
    for (what, number) in [
        ("the null sender", senders.iter().filter(|sender| sender.is_empty()).count()),
        ("VERP by plus", senders.iter().filter(|sender| sender.starts_with("news+")).count()),
        ("VERP by numbers", senders.iter().filter(|sender| sender.starts_with("bounce-")).count()),
        ("VERP by a token", senders.iter().filter(|sender| sender.starts_with("b-")).count()),
    ] {
        assert!((50..500).contains(&number), "{what}: {number}");
    }
    let mut sessions: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (_, request) in &requests {
        assert!(
            sessions.entry(value(request, "instance")).or_default().insert(value(request, "recipient")),
            "{request}"
        );
    }
    assert!(sessions.values().any(|recipients| recipients.len() > 5));
}
