//! Answers in words, for whoever was woken up: one thing a line, its name in front, times both absolute and relative.

use super::figures;
use super::message::{Answer, Counted, Explanation, Known, Party, Release, ReleaseList, Side};
use super::times::{length, moment};

/// Characters of the longest name and the blanks behind it.
const NAMES: usize = 16;

/// An answer in words, with its line end.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Explanation(explanation) => self::explanation(explanation),
        Answer::Done(what) | Answer::Error(what) | Answer::Failure(what) => format!("{what}\n"),
        Answer::Releases(ReleaseList { now, releases }) => self::releases(*now, releases),
        Answer::Stats(stats) => figures::text(stats),
    }
}

/// An answer's content as one line of JSON.
pub(super) fn json(answer: &Answer) -> serde_json::Result<String> {
    let text = match answer {
        Answer::Explanation(explanation) => serde_json::to_string(explanation),
        Answer::Done(_) | Answer::Error(_) | Answer::Failure(_) => serde_json::to_string(answer),
        Answer::Releases(list) => serde_json::to_string(list),
        Answer::Stats(stats) => serde_json::to_string(stats),
    };
    text.map(|text| text + "\n")
}

/// Names in one column, what they are in the next.
pub(super) fn lines<'l>(lines: impl IntoIterator<Item = (&'l str, String)>) -> String {
    let lines: Vec<_> = lines.into_iter().map(|(name, value)| format!("{name:NAMES$}{value}\n")).collect();
    lines.concat()
}

fn explanation(of: &Explanation) -> String {
    let Explanation { now, network, sender, recipient, delay, reason, reply, .. } = of;
    let rule = of.rule.as_deref().unwrap_or("none holds: the daemon's own terms do");
    let passes = match (of.passes, of.state) {
        (Some(time), Known::Pending { .. }) => moment(time, *now),
        (Some(time), _) => format!("{}, if its first attempt were now", moment(time, *now)),
        (None, _) => "now".to_owned(),
    };
    lines([
        ("reply", reply.clone()),
        ("because", reason.clone()),
        ("passes", passes),
        ("rule", rule.to_owned()),
        ("delay", format!("{} for a new triplet", length((*delay).into()))),
        ("network", format!("{network}, which stands for the client")),
        ("sender", if sender.is_empty() { "<>, mail without a sender".to_owned() } else { sender.clone() }),
        ("recipient", recipient.clone()),
        ("triplet", known(of.state, *now)),
        ("auto-whitelist", counted(of.client, of.client_needs, *now)),
    ])
}

fn known(state: Known, now: u32) -> String {
    match state {
        Known::Unknown => "unknown".to_owned(),
        Known::Pending { first } => format!("waiting; first seen {}", moment(first, now)),
        Known::Passed { last } => format!("has passed; recorded {}", moment(last, now)),
    }
}

fn counted(client: Option<Counted>, needs: u16, now: u32) -> String {
    let count = client.map_or(0, |client| client.count);
    let of = if needs == 0 { format!("off; {count}") } else { format!("{count} of {needs}") };
    let last = client.map(|client| format!("; last counted {}", moment(client.last, now)));
    format!("{of} triplets of this client have passed{}", last.unwrap_or_default())
}

fn releases(now: u32, releases: &[Release]) -> String {
    if releases.is_empty() {
        return "nobody is released\n".to_owned();
    }
    let side = |party: &Party| if party.side == Side::Sender { "sender" } else { "recipient" };
    let width = releases.iter().map(|release| release.party.name.chars().count()).max().unwrap_or_default();
    let line = |Release { party, until }: &Release| {
        format!("{:9}  {:width$}  until {}\n", side(party), party.name, moment(*until, now))
    };
    releases.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained() -> Explanation {
        Explanation {
            now: 1_700_000_028,
            network: "192.0.2.0/24".to_owned(),
            sender: String::new(),
            recipient: "bob@customer.example".to_owned(),
            rule: Some("slow".to_owned()),
            delay: 300,
            state: Known::Pending { first: 1_700_000_000 },
            client: Some(Counted { count: 3, last: 1_699_989_228 }),
            client_needs: 5,
            reason: "early-retry (272s missing)".to_owned(),
            passes: Some(1_700_000_300),
            reply: "action=DEFER_IF_PERMIT 4.2.0 Greylisted for 272 seconds".to_owned(),
        }
    }

    #[test]
    fn an_explanation_tells_each_thing_on_a_line() {
        let text = "\
reply           action=DEFER_IF_PERMIT 4.2.0 Greylisted for 272 seconds
because         early-retry (272s missing)
passes          2023-11-14 22:18:20 UTC, in 4 min 32 s
rule            slow
delay           5 min for a new triplet
network         192.0.2.0/24, which stands for the client
sender          <>, mail without a sender
recipient       bob@customer.example
triplet         waiting; first seen 2023-11-14 22:13:20 UTC, 28 s ago
auto-whitelist  3 of 5 triplets of this client have passed; last counted 2023-11-14 19:13:48 UTC, 3 h ago
";
        assert_eq!(answer(&Answer::Explanation(Box::new(explained()))), text);
    }

    #[test]
    fn what_is_unknown_passes_after_a_first_attempt_and_what_passes_passes_now() {
        let unknown = Explanation { state: Known::Unknown, rule: None, client: None, client_needs: 0, ..explained() };
        let text = explanation(&unknown);
        for line in [
            "passes          2023-11-14 22:18:20 UTC, in 4 min 32 s, if its first attempt were now\n",
            "rule            none holds: the daemon's own terms do\n",
            "triplet         unknown\n",
            "auto-whitelist  off; 0 triplets of this client have passed\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let passed = Explanation { state: Known::Passed { last: 1_700_000_000 }, passes: None, ..explained() };
        assert!(explanation(&passed).contains("passes          now\n"));
    }

    #[test]
    fn releases_stand_in_columns() {
        let release = |side, name: &str, until| Release { party: Party { side, name: name.to_owned() }, until };
        let some =
            vec![release(Side::Sender, "a.example", 7_200), release(Side::Recipient, "bob@customer.example", 60)];
        let some = Answer::Releases(ReleaseList { now: 0, releases: some });
        let text = "sender     a.example             until 1970-01-01 02:00:00 UTC, in 2 h\n\
                    recipient  bob@customer.example  until 1970-01-01 00:01:00 UTC, in 1 min\n";
        assert_eq!(answer(&some), text);
        assert_eq!(
            json(&some).unwrap(),
            "{\"now\":0,\"releases\":[{\"party\":{\"side\":\"sender\",\"name\":\"a.example\"},\"until\":7200},\
             {\"party\":{\"side\":\"recipient\",\"name\":\"bob@customer.example\"},\"until\":60}]}\n"
        );
        assert_eq!(answer(&Answer::Releases(ReleaseList { now: 0, releases: Vec::new() })), "nobody is released\n");
    }
}
