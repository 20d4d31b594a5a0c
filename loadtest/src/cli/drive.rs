//! The options of `drive`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Target;
use crate::driver::Rate;
use crate::endpoint::Endpoint;
use crate::workload::WorkloadOptions;

#[derive(Debug, Args)]
pub(crate) struct Drive {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Connections, each with one outstanding request (see --batch).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Threads of the generator, each with its share of connections and requests; at most one a connection.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: u32,
    /// End after so many requests in all [default: 1000000; no limit with --duration or a file].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// End after this time, with the answers to what was sent by then; with --requests, whichever comes first.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,
    /// Open loop: requests a second, whether or not the server keeps up; latency counts from when a request was due.
    /// A ramp goes from one rate to the other over the run.
    #[arg(long, value_name = "RATE|FROM..TO")]
    pub(crate) rate: Option<Rate>,
    /// Open loop at the workload's own times, as `mix`, `maillog` and most recordings have them: 1 as they are, 60 an hour in a
    /// minute. Without this and --rate requests are sent as fast as they are answered, whatever their times.
    #[arg(long, value_name = "FACTOR", value_parser = parse_speed, conflicts_with = "rate")]
    pub(crate) speed: Option<f64>,
    /// Send up to so many requests in one write, and the next when all are answered.
    #[arg(long, value_name = "REQUESTS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) batch: u32,
    /// Give a server up that answers nobody for this time, and a connection that waits while what others asked so much later
    /// is answered.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub(crate) patience: Duration,
    /// Never sleep: finer latencies at a low rate, for a whole core a thread.
    #[arg(long)]
    pub(crate) spin: bool,
    /// Before the run send the working set of `known`, wait so many seconds (more than the server's delay), send it again.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) prime_wait: Option<u64>,
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Processor core to run on.
    #[arg(long, conflicts_with = "threads")]
    pub(crate) core: Option<usize>,
    /// Write the run as a page with plots, as JSON and as a histogram into this directory, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

impl Drive {
    /// What the report calls the run.
    pub(crate) fn title(&self, endpoint: &Endpoint) -> String {
        format!("greyload: {} against {endpoint}", self.workload.workload)
    }

    /// Whether requests are due at times of their own, however long answers take.
    pub(crate) fn is_open(&self) -> bool {
        self.rate.is_some() || self.speed.is_some()
    }

    /// All that decides what the run is, for its report.
    pub(crate) fn settings(&self, endpoint: &Endpoint) -> Vec<(String, String)> {
        let mut settings = vec![("Server", endpoint.to_string())];
        settings.extend(self.workload.settings());
        settings.push(("Loop", self.pace()));
        settings.push(("Connections", self.connections.to_string()));
        settings.extend([
            ("Threads of the generator", self.threads.to_string()),
            ("Gives a hanging server up after", format!("{} s", self.patience.as_secs_f64())),
        ]);
        let optional = [
            ("Ends after", self.requests.map(|requests| format!("{requests} requests"))),
            ("Ends after", self.duration.map(|duration| format!("{} s", duration.as_secs_f64()))),
            ("Primed", self.prime_wait.map(|wait| format!("the working set was sent twice before, {wait} s apart"))),
            ("Core of the generator", self.core.map(|core| core.to_string())),
        ];
        settings.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn pace(&self) -> String {
        let outstanding = match self.batch {
            1 => "one request".to_owned(),
            batch => format!("up to {batch} requests"),
        };
        match (self.rate, self.speed) {
            (Some(rate), _) => format!("open: {rate} requests a second, {outstanding} at a time on a connection"),
            (None, Some(1.0)) => format!("open: at the workload's own times, {outstanding} at a time on a connection"),
            (None, Some(speed)) => {
                format!("open: {speed} times as fast as the workload's times, {outstanding} at a time on a connection")
            }
            (None, None) => format!("closed: {outstanding} outstanding on a connection"),
        }
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("`{text}` is no time; write seconds like 60 or 0.5")),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err(format!("`{text}` is no factor; write 1 for the times as they are, 60 for an hour in a minute")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    #[test]
    fn seconds_and_factors_are_read_and_refused() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_speed("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "1m", "inf", ""] {
            assert!(parse_seconds(wrong).is_err() && parse_speed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_core_is_for_one_thread() {
        let parse = |more: &[&str]| {
            let command = ["greyload", "drive", "--inet", "127.0.0.1:1", "--core", "0"];
            Cli::try_parse_from(command.iter().chain(more))
        };
        assert!(parse(&[]).is_ok());
        assert!(parse(&["--threads", "2"]).is_err());
    }
}
