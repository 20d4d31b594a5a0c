//! Where and when a run was made, so that someone else can judge and repeat it.
//!
//! What the system does not tell is shown as "unknown" and stops nothing. Cores are those of the machine, whatever this
//! process may use of them.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use procfs::{CpuInfo, Current, Meminfo};
use serde_json::{Value, json};

/// The machine of the generator.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) cores: Option<usize>,
    pub(super) processor: Option<String>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) kernel: Option<String>,
    /// UTC.
    pub(super) started: Timestamp,
    pub(super) command_line: String,
}

impl Machine {
    /// This machine, for a run of that length which ends now.
    pub(super) fn observe(elapsed: Duration) -> Self {
        let info = CpuInfo::current().ok();
        let now = Timestamp::now();
        let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        Self {
            cores: info.as_ref().map(CpuInfo::num_cores),
            processor: info.as_ref().and_then(|info| info.model_name(0)).map(str::to_owned),
            memory_bytes: Meminfo::current().ok().map(|memory| memory.mem_total),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|kernel| kernel.trim().to_owned()),
            started: now.checked_sub(elapsed).unwrap_or(now),
            command_line: words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" "),
        }
    }

    /// When the run began, to the second.
    pub(super) fn started_utc(&self) -> String {
        self.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// The machine's part of a file.
    pub(super) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "memory_bytes": self.memory_bytes,
            "kernel": self.kernel,
        })
    }

    /// Name and value of each fact.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let known = |fact: Option<String>| fact.unwrap_or_else(|| "unknown".to_owned());
        vec![
            ("Started", self.started_utc()),
            ("Generator", format!("greyload {}", env!("CARGO_PKG_VERSION"))),
            ("Cores", known(self.cores.map(|cores| cores.to_string()))),
            ("Processor", known(self.processor.clone())),
            ("Memory", known(self.memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20)))),
            ("Kernel", known(self.kernel.as_ref().map(|kernel| format!("Linux {kernel}")))),
        ]
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::observe(Duration::from_secs(3600));
        assert!(machine.cores.unwrap() >= 1 && machine.memory_bytes.unwrap() > 1 << 20, "{machine:?}");
        let ago = Timestamp::now().as_second() - machine.started.as_second();
        assert!((3600..3700).contains(&ago), "{ago} s ago");
        let facts = machine.facts();
        assert!(facts.iter().all(|(_, fact)| fact != "unknown"), "{facts:?}");
        assert!(facts[0].1.ends_with(" UTC"), "{facts:?}");
    }

    #[test]
    fn words_are_as_a_shell_reads_them() {
        assert_eq!(["--inet", "a b", "it's"].map(quoted), ["--inet", "'a b'", "\"it's\""]);
    }
}
