//! What counts as the same answer.
//!
//! * The action words are equal, whatever their case.
//! * Behind `PREPEND` stands a header that names program, version, host, date and delay: any two are the same.
//! * Otherwise the texts are equal, apart from times: a number that stands by itself, or with `s` behind it, may differ by
//!   [`TOLERANCE`], as the two servers look at the clock one after the other. A reply code in front (`450`), a status
//!   (`4.2.0`) and the numbers of a host name are no times.

use super::reply::action;

/// Seconds by which two times may differ.
const TOLERANCE: u64 = 2;

/// How two answers differ, or which is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The old server defers what the new one lets pass.
    OldDefers,
    /// The new server defers what the old one lets pass.
    NewDefers,
    /// Two other actions.
    Action,
    /// One action with two texts.
    Text,
    OldSilent,
    NewSilent,
    BothSilent,
}

impl Difference {
    /// In the order of the variants.
    pub(super) const ALL: [Self; 7] = [
        Self::OldDefers,
        Self::NewDefers,
        Self::Action,
        Self::Text,
        Self::OldSilent,
        Self::NewSilent,
        Self::BothSilent,
    ];

    /// The name in logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OldDefers => "old_defers",
            Self::NewDefers => "new_defers",
            Self::Action => "other_action",
            Self::Text => "other_text",
            Self::OldSilent => "old_silent",
            Self::NewSilent => "new_silent",
            Self::BothSilent => "both_silent",
        }
    }
}

/// How the answers of the old and of the new server differ, if they do. They are whole replies; `None` is none.
pub(super) fn compare(old: Option<&[u8]>, new: Option<&[u8]>) -> Option<Difference> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (Action::of(action(old)), Action::of(action(new))),
        (None, Some(_)) => return Some(Difference::OldSilent),
        (Some(_), None) => return Some(Difference::NewSilent),
        (None, None) => return Some(Difference::BothSilent),
    };
    if !old.word.eq_ignore_ascii_case(new.word) {
        return Some(match (old.effect(), new.effect()) {
            (Effect::Defers, Effect::Passes) => Difference::OldDefers,
            (Effect::Passes, Effect::Defers) => Difference::NewDefers,
            _ => Difference::Action,
        });
    }
    let is_same = old.is("PREPEND") || is_same_text(old.text, new.text);
    (!is_same).then_some(Difference::Text)
}

/// An answer's word and what stands behind it.
struct Action<'a> {
    word: &'a [u8],
    text: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Defers,
    Passes,
    /// Refuses, or does what only Postfix's configuration tells.
    Other,
}

impl<'a> Action<'a> {
    fn of(action: &'a [u8]) -> Self {
        let action = action.trim_ascii();
        let end = action.iter().position(u8::is_ascii_whitespace).unwrap_or(action.len());
        Self { word: &action[..end], text: action[end..].trim_ascii_start() }
    }

    fn is(&self, word: &str) -> bool {
        self.word.eq_ignore_ascii_case(word.as_bytes())
    }

    /// By Postfix's access(5).
    fn effect(&self) -> Effect {
        let is_code = self.word.len() == 3 && self.word.iter().all(u8::is_ascii_digit);
        if self.word.to_ascii_uppercase().starts_with(b"DEFER") || is_code && self.word[0] == b'4' {
            Effect::Defers
        } else if ["DUNNO", "OK", "PERMIT", "PREPEND", "INFO", "WARN"].iter().any(|word| self.is(word)) {
            Effect::Passes
        } else {
            Effect::Other
        }
    }
}

fn is_same_text(old: &[u8], new: &[u8]) -> bool {
    let (mut old, mut new) = (Pieces::of(old), Pieces::of(new));
    loop {
        match (old.next(), new.next()) {
            (None, None) => return true,
            (Some(Piece::Time(old)), Some(Piece::Time(new))) if old.abs_diff(new) <= TOLERANCE => {}
            (Some(old), Some(new)) if old == new => {}
            _ => return false,
        }
    }
}

/// A text cut into times and what is between them.
struct Pieces<'a> {
    text: &'a [u8],
    at: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a [u8]),
    Time(u64),
}

impl<'a> Pieces<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The number that begins at `start`, with its end, if it is a time.
    fn time(&self, start: usize) -> Option<(u64, usize)> {
        let (before, from) = self.text.split_at(start);
        let digits = from.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let behind = from[digits..].strip_prefix(b"s").unwrap_or(&from[digits..]);
        let begins = before.last().is_none_or(|&byte| !continues_word(byte));
        let ends = match behind {
            [] | [b'.'] => true,
            [b'.', next, ..] => next.is_ascii_whitespace(),
            [next, ..] => !continues_word(*next),
        };
        let is_reply_code = start == 0 && digits == 3 && matches!(from[0], b'4' | b'5');
        if !begins || !ends || is_reply_code {
            return None;
        }
        Some((std::str::from_utf8(&from[..digits]).ok()?.parse().ok()?, start + digits))
    }
}

/// What makes one word of the number beside it: of a status, a host name, an address or a date.
fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".-_@/:%+".contains(&byte)
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at == self.text.len() {
            return None;
        }
        let start = self.at;
        let times = (start..self.text.len()).find_map(|at| Some((at, self.time(at)?)));
        match times {
            Some((at, (time, end))) if at == start => {
                self.at = end;
                Some(Piece::Time(time))
            }
            Some((at, _)) => {
                self.at = at;
                Some(Piece::Text(&self.text[start..at]))
            }
            None => {
                self.at = self.text.len();
                Some(Piece::Text(&self.text[start..]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(old: &str, new: &str) -> Option<Difference> {
        let [old, new] = [old, new].map(|action| format!("action={action}\n\n").into_bytes());
        compare(Some(&old), Some(&new))
    }

    #[test]
    fn the_same() {
        for (old, new) in [
            ("DUNNO", "dunno"),
            ("DUNNO", "DUNNO "),
            ("DEFER_IF_PERMIT 4.2.0 Wait 300 for d.test", "DEFER_IF_PERMIT 4.2.0 Wait 300 for d.test"),
            ("DEFER_IF_PERMIT 4.2.0 Wait 300 seconds", "DEFER_IF_PERMIT 4.2.0 Wait 298 seconds"),
            ("DEFER Wait 99s.", "DEFER Wait 101s."),
            ("DEFER 10", "DEFER 9"),
            ("450 4.2.0 (60)", "450 4.2.0 (61)"),
            ("PREPEND X-Greylist: delayed 300 seconds by postgrey-1.37 at a", "PREPEND X-Greylist: delayed 9 by b"),
            ("DEFER \u{e4}\u{ff}", "DEFER \u{e4}\u{ff}"),
            ("", ""),
        ] {
            assert_eq!(difference(old, new), None, "{old} | {new}");
            assert_eq!(difference(new, old), None, "{new} | {old}");
        }
    }

    #[test]
    fn each_kind_of_difference() {
        for (old, new, expected) in [
            ("DEFER_IF_PERMIT 4.2.0 x", "DUNNO", Difference::OldDefers),
            ("450 4.2.0 x", "PREPEND X: y", Difference::OldDefers),
            ("OK", "defer_if_reject x", Difference::NewDefers),
            ("PREPEND X: y", "DUNNO", Difference::Action),
            ("REJECT x", "DUNNO", Difference::Action),
            ("REJECT x", "DEFER x", Difference::Action),
            ("DEFER x", "DEFER_IF_PERMIT x", Difference::Action),
            ("450 x", "451 x", Difference::Action),
            ("greylisting", "DUNNO", Difference::Action),
            ("DEFER a", "DEFER b", Difference::Text),
            ("DEFER wait 300 s", "DEFER wait 303 s", Difference::Text),
            ("DEFER wait 300", "DEFER wait", Difference::Text),
            ("DEFER 4.2.0 x", "DEFER 4.2.1 x", Difference::Text),
            ("DEFER 450 x", "DEFER 451 x", Difference::Text),
            ("DEFER x for d1.test", "DEFER x for d2.test", Difference::Text),
            ("DEFER x 1.test", "DEFER x 2.test", Difference::Text),
            ("DEFER help/1 x", "DEFER help/2 x", Difference::Text),
            ("DEFER at 10:01 x", "DEFER at 10:02 x", Difference::Text),
            ("DEFER 99999999999999999999999", "DEFER 99999999999999999999998", Difference::Text),
        ] {
            assert_eq!(difference(old, new), Some(expected), "{old} | {new}");
        }
    }

    #[test]
    fn no_answer() {
        let dunno = b"action=DUNNO\n\n";
        assert_eq!(compare(None, Some(dunno)), Some(Difference::OldSilent));
        assert_eq!(compare(Some(dunno), None), Some(Difference::NewSilent));
        assert_eq!(compare(None, None), Some(Difference::BothSilent));
    }
}
