//! Answers by kind, and the check that they are answers at all.
//!
//! A reply is one line `action=...` and a blank line. Anything else is nonsense, which ends the connection.

use std::ops::AddAssign;

/// How many answers of each kind were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Greylisted: `DEFER_IF_PERMIT`, `DEFER` or a 4xx code.
    pub(crate) deferred: u64,
    /// No opinion: known or whitelisted.
    pub(crate) dunno: u64,
    /// Passed with a header.
    pub(crate) prepend: u64,
    /// Any other action.
    pub(crate) other: u64,
}

impl Answers {
    pub(crate) fn total(&self) -> u64 {
        self.deferred + self.dunno + self.prepend + self.other
    }

    /// Counts the reply `line`, without its line end; false if it is nonsense.
    pub(crate) fn count(&mut self, line: &[u8]) -> bool {
        let Some(action) = line.strip_prefix(b"action=") else { return false };
        // Postfix takes actions in any case, and sqlgrey writes them small.
        let begins = |word: &[u8]| action.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        match action {
            _ if begins(b"DEFER") || begins(b"4") => self.deferred += 1,
            _ if action.eq_ignore_ascii_case(b"DUNNO") => self.dunno += 1,
            _ if begins(b"PREPEND ") => self.prepend += 1,
            _ if action.is_empty() || action.contains(&b'\n') => return false,
            _ => self.other += 1,
        }
        true
    }
}

impl AddAssign for Answers {
    fn add_assign(&mut self, other: Self) {
        self.deferred += other.deferred;
        self.dunno += other.dunno;
        self.prepend += other.prepend;
        self.other += other.other;
    }
}

/// The first bytes of what a server sent, fit to be printed.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(80)];
    format!("\"{}\"{}", shown.escape_ascii(), if bytes.len() > shown.len() { "..." } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told() {
        let mut answers = Answers::default();
        let lines: [&[u8]; 8] = [
            b"action=DEFER_IF_PERMIT 4.2.0 Greylisted",
            b"action=DEFER x",
            b"action=450 4.2.0 x",
            b"action=DUNNO",
            b"action=PREPEND X-Greylist: delayed",
            b"action=REJECT no",
            b"action=defer_if_permit Greylisted",
            b"action=dunno",
        ];
        assert!(lines.iter().all(|line| answers.count(line)));
        assert_eq!(answers, Answers { deferred: 4, dunno: 2, prepend: 1, other: 1 });
    }

    #[test]
    fn nonsense_is_told() {
        let lines: [&[u8]; 4] = [b"", b"500 what", b"action=", b"action=OK\nmore=1"];
        for line in lines {
            assert!(!Answers::default().count(line), "{}", excerpt(line));
        }
    }
}
