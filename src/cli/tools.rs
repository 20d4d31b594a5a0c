//! The command lines of the tools that ask a running daemon: words to a question. What makes no sense together is refused here,
//! with the forms that do; whether an address or a name is one is for the daemon to say.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::admin::message::{Ask, Party, Period, Side, Triplet};
use crate::config::units;

/// A tool.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Say what the daemon would answer, by which rule, and when the triplet will pass; changes nothing
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Let a triplet pass from now on, or all mail of a sender or for a recipient for some time
    #[command(override_usage = RELEASE_USAGE, after_help = RELEASE_HELP)]
    Release(ReleaseArgs),
    /// Forget a triplet, or how many triplets of a client have passed
    #[command(override_usage = FORGET_USAGE, after_help = FORGET_HELP)]
    Forget(ForgetArgs),
    /// Show the daemon in figures
    #[command(after_help = CODES)]
    Stats(StatsArgs),
    /// Watch the daemon live: rate, answers, delays, state, the slowest turns
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
}

const CODES: &str = "Exit codes: 0 done; 1 no daemon, or it failed; 2 the question is wrong";

const EXPLAIN_HELP: &str = "\
CLIENT is an address, or NAME[ADDRESS] as in Postfix's log; rules and whitelists of names need the name. The null sender is \
written '<>' or ''.\n\nExit codes: 0 done; 1 no daemon, or it failed; 2 the question is wrong";

const RELEASE_USAGE: &str = "\
irongrey release [OPTIONS] CLIENT SENDER RECIPIENT
       irongrey release [OPTIONS] --sender NAME [--for TIME]
       irongrey release [OPTIONS] --recipient NAME [--for TIME]
       irongrey release [OPTIONS] --end --sender NAME | --recipient NAME
       irongrey release [OPTIONS] --list";

const RELEASE_HELP: &str = "\
CLIENT is an address, or NAME[ADDRESS] as in Postfix's log. NAME is user@domain, user@ (in any domain), or a domain with all \
below it. The daemon keeps releases of senders and recipients over a restart.

  irongrey release --sender login.example --for 2h    somebody waits for a login code
  irongrey release 192.0.2.7 a@sender.example bob@customer.example

Exit codes: 0 done; 1 no daemon, or it failed; 2 the question is wrong";

const FORGET_USAGE: &str = "\
irongrey forget [OPTIONS] CLIENT SENDER RECIPIENT
       irongrey forget [OPTIONS] --client CLIENT";

const FORGET_HELP: &str = "\
CLIENT is an address, or NAME[ADDRESS] as in Postfix's log. What comes in the second of forgetting is forgotten too, so the \
command takes until that second is over.

Exit codes: 0 done; 1 no daemon, or it failed; 2 the question is wrong";

const TOP_HELP: &str = "\
q, Esc or Ctrl-C ends it. Without a terminal it shows the figures once, as `irongrey stats` does; with --json it writes a line \
for each interval until it is ended: `seconds` that it lasted, `rates` of all counters, `turns` and `delays` in it, and the `stats` after it.\n\nExit codes: 0 done; 1 no daemon, or it failed; 2 the question is wrong";

/// Which daemon is asked, and how the answer is shown.
#[derive(Clone, Debug, Args)]
pub struct AskOptions {
    /// Control socket of the daemon [default: where a daemon with this --state and --config has it]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["state", "config"])]
    pub control: Option<PathBuf>,
    /// State directory of the daemon
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Configuration file of the daemon
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `irongrey explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The client
    #[arg(value_name = "CLIENT")]
    client: String,
    /// The sender
    #[arg(value_name = "SENDER")]
    sender: String,
    /// The recipient
    #[arg(value_name = "RECIPIENT")]
    recipient: String,
    #[command(flatten)]
    options: AskOptions,
}

/// A triplet, where something else may stand in its place.
#[derive(Debug, Args)]
struct SomeTriplet {
    /// The client
    #[arg(value_name = "CLIENT", requires = "recipient")]
    client: Option<String>,
    /// The sender
    #[arg(value_name = "SENDER")]
    sender: Option<String>,
    /// The recipient
    #[arg(value_name = "RECIPIENT")]
    recipient: Option<String>,
}

/// `irongrey release`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["client", "from", "to", "list"]))]
#[command(group = ArgGroup::new("party").args(["from", "to"]))]
pub struct ReleaseArgs {
    #[command(flatten)]
    triplet: SomeTriplet,
    /// Release a sender for some time
    #[arg(long = "sender", value_name = "NAME")]
    from: Option<String>,
    /// Release a recipient for some time
    #[arg(long = "recipient", value_name = "NAME")]
    to: Option<String>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = units::seconds,
          requires = "party", conflicts_with_all = ["client", "end", "list"])]
    period: u32,
    /// End a release of a sender or recipient
    #[arg(long, requires = "party", conflicts_with_all = ["client", "list"])]
    end: bool,
    /// List the senders and recipients that are released
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    options: AskOptions,
}

/// `irongrey forget`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["client", "counted"]))]
pub struct ForgetArgs {
    #[command(flatten)]
    triplet: SomeTriplet,
    /// Forget how many triplets of this client have passed: the auto-whitelist begins anew
    #[arg(long = "client", value_name = "CLIENT")]
    counted: Option<String>,
    #[command(flatten)]
    options: AskOptions,
}

/// `irongrey stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    #[command(flatten)]
    options: AskOptions,
}

/// `irongrey top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// How often the daemon is asked
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::interval)]
    pub interval: u32,
    #[command(flatten)]
    options: AskOptions,
}

impl Tool {
    /// Which daemon is asked, and how the answer is shown.
    pub fn options(&self) -> &AskOptions {
        match self {
            Self::Explain(ExplainArgs { options, .. })
            | Self::Release(ReleaseArgs { options, .. })
            | Self::Forget(ForgetArgs { options, .. })
            | Self::Stats(StatsArgs { options })
            | Self::Top(TopArgs { options, .. }) => options,
        }
    }

    /// The question.
    pub fn ask(&self) -> Ask {
        match self {
            Self::Explain(ExplainArgs { client, sender, recipient, .. }) => {
                Ask::Explain(triplet(client, sender, recipient))
            }
            Self::Release(arguments) => arguments.ask(),
            Self::Forget(ForgetArgs { triplet, counted, .. }) => match triplet.get() {
                Some(triplet) => Ask::Forget(triplet),
                // One of the two stands there.
                None => Ask::ForgetClient { client: counted.clone().unwrap_or_default() },
            },
            Self::Stats(_) | Self::Top(_) => Ask::Stats,
        }
    }
}

impl SomeTriplet {
    fn get(&self) -> Option<Triplet> {
        Some(triplet(self.client.as_ref()?, self.sender.as_ref()?, self.recipient.as_ref()?))
    }
}

impl ReleaseArgs {
    fn ask(&self) -> Ask {
        if let Some(triplet) = self.triplet.get() {
            return Ask::Release(triplet);
        }
        let party = match (&self.from, &self.to) {
            (Some(name), _) => Party { side: Side::Sender, name: name.clone() },
            (None, Some(name)) => Party { side: Side::Recipient, name: name.clone() },
            (None, None) => return Ask::Releases,
        };
        if self.end { Ask::EndRelease(party) } else { Ask::ReleaseFor(Period { party, seconds: self.period }) }
    }
}

fn triplet(client: &str, sender: &str, recipient: &str) -> Triplet {
    let [client, sender, recipient] = [client, sender, recipient].map(str::to_owned);
    Triplet { client, sender, recipient }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(subcommand)]
        tool: Tool,
    }

    fn parse(line: &str) -> Result<Tool, clap::Error> {
        let words = line.split(' ').map(|word| if word == "''" { "" } else { word });
        Words::try_parse_from(["irongrey"].into_iter().chain(words)).map(|words| words.tool)
    }

    fn ask(line: &str) -> Ask {
        parse(line).unwrap().ask()
    }

    #[test]
    fn words_become_questions() {
        let known = triplet("mx.a.example[192.0.2.1]", "<>", "b@c.example");
        assert_eq!(ask("explain mx.a.example[192.0.2.1] <> b@c.example"), Ask::Explain(known.clone()));
        assert_eq!(ask("release mx.a.example[192.0.2.1] <> b@c.example --json"), Ask::Release(known.clone()));
        assert_eq!(ask("forget --state=/s mx.a.example[192.0.2.1] <> b@c.example"), Ask::Forget(known));
        assert_eq!(ask("explain ::1 '' b@c"), Ask::Explain(triplet("::1", "", "b@c")));
        assert_eq!(ask("forget --client 192.0.2.1"), Ask::ForgetClient { client: "192.0.2.1".to_owned() });
        let sender = Party { side: Side::Sender, name: "a.example".to_owned() };
        let recipient = Party { side: Side::Recipient, name: "b@c".to_owned() };
        let period = |party, seconds| Ask::ReleaseFor(Period { party, seconds });
        assert_eq!(ask("release --sender a.example"), period(sender.clone(), 3_600));
        assert_eq!(ask("release --recipient=b@c --for 2d"), period(recipient, 172_800));
        assert_eq!(ask("release --end --sender a.example"), Ask::EndRelease(sender));
        assert_eq!(ask("release --list"), Ask::Releases);
        assert_eq!((ask("stats"), ask("top --interval 5s")), (Ask::Stats, Ask::Stats));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_forms_that_do() {
        for line in [
            "release",
            "release 192.0.2.1",
            "release 192.0.2.1 a@b",
            "release --for 2h",
            "release --end",
            "release --list --sender a.example",
            "release --list --for 1h",
            "release --sender a.example --recipient b@c",
            "release --sender a.example 192.0.2.1 a@b b@c",
            "release --for 1h 192.0.2.1 a@b b@c",
            "release --end 192.0.2.1 a@b b@c",
            "release --end --for 1h --sender a.example",
            "forget",
            "forget 192.0.2.1",
            "forget --client 192.0.2.1 192.0.2.1 a@b b@c",
        ] {
            let error = parse(line).unwrap_err();
            let (said, form) = (error.to_string(), &line[..line.find(' ').unwrap_or(line.len())]);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(said.contains(&format!("irongrey {form} [OPTIONS] CLIENT SENDER RECIPIENT")), "{line}: {said}");
        }
        for (line, right) in [
            ("release --sender a.example --for soon", "300s, 5m, 2h or 2d"),
            ("top --interval 0", "1s"),
            ("stats --control /c --state /s", "cannot be used with"),
            ("explain 192.0.2.1 a@b", "RECIPIENT"),
        ] {
            let said = parse(line).unwrap_err().to_string();
            assert!(said.contains(right), "{line}: {said}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Words::command().debug_assert();
    }
}
