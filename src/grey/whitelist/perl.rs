//! Finds in a regex what Perl reads differently without the engine refusing it: postgrey's files are written for Perl.
//!
//! What the engine lacks (look-around, back-references) it refuses by itself.

use regex_syntax::ast::{self, AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Flag, Flags, FlagsItemKind};
use regex_syntax::ast::{GroupKind, HexLiteralKind, Literal, LiteralKind, SpecialLiteralKind};

use super::mistake::Mistake;

/// Refuses a regex that parses but means something else in Perl. What does not parse is the engine's to explain.
pub(super) fn check(regex: &str) -> Result<(), Mistake> {
    match ast::parse::Parser::new().parse(regex) {
        Ok(tree) => ast::visit(&tree, Differences),
        Err(_) => Ok(()),
    }
}

struct Differences;

impl ast::Visitor for Differences {
    type Output = ();
    type Err = Mistake;

    fn finish(self) -> Result<(), Mistake> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Mistake> {
        match tree {
            Ast::Repetition(outer) if matches!(*outer.ast, Ast::Repetition(_)) => {
                Err(Mistake::NotPerl("a quantifier on a quantifier, such as the possessive `a++`,"))
            }
            // Perl repeats the last of its bytes.
            Ast::Repetition(outer) if matches!(&*outer.ast, Ast::Literal(literal) if !literal.c.is_ascii()) => {
                Err(Mistake::NotPerl("a quantifier on a letter beyond ASCII (put it into `(?:...)`)"))
            }
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundaryStartAngle | AssertionKind::WordBoundaryEndAngle => {
                    Err(Mistake::NotPerl("`\\<` or `\\>`"))
                }
                AssertionKind::WordBoundaryStart
                | AssertionKind::WordBoundaryEnd
                | AssertionKind::WordBoundaryStartHalf
                | AssertionKind::WordBoundaryEndHalf => Err(Mistake::NotPerl("`\\b{...}`")),
                _ => Ok(()),
            },
            Ast::Literal(literal) => check_literal(literal),
            Ast::Flags(set) => check_flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(flags) => check_flags(flags),
                GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Mistake> {
        match item {
            ClassSetItem::Literal(literal) => check_literal(literal),
            ClassSetItem::Range(range) => check_literal(&range.start).and_then(|()| check_literal(&range.end)),
            ClassSetItem::Bracketed(_) => Err(Mistake::NotPerl("`[` inside a character class (write `\\[`)")),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), Mistake> {
        Err(Mistake::NotPerl("`&&`, `--` or `~~` inside a character class (escape one of the two)"))
    }
}

/// A character by its number means itself in Perl up to `\x7f`; here the rest would be its bytes in UTF-8.
fn check_literal(literal: &Literal) -> Result<(), Mistake> {
    match literal.kind {
        LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
        | LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
            Err(Mistake::NotPerl("`\\u` or `\\U`"))
        }
        LiteralKind::HexBrace(_) if !literal.c.is_ascii() => {
            Err(Mistake::NotPerl("`\\x{...}` beyond `\\x{7f}` (write the character itself)"))
        }
        LiteralKind::Special(SpecialLiteralKind::VerticalTab) => Err(Mistake::NotPerl("`\\v` (write `\\x0b`)")),
        _ => Ok(()),
    }
}

fn check_flags(flags: &Flags) -> Result<(), Mistake> {
    let differs =
        |kind: &FlagsItemKind| matches!(kind, FlagsItemKind::Flag(Flag::SwapGreed | Flag::Unicode | Flag::CRLF));
    if flags.items.iter().any(|item| differs(&item.kind)) {
        return Err(Mistake::NotPerl("the flag `u`, `U` or `R` in `(?...)`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perl_reads_differently_is_refused() {
        for regex in ["a++b", "(?:a)*+", "x{2}+", r"\<mail", r"mail\>", "[a[b]]", "[a&&b]", "[a-z--m]"]
            .into_iter()
            .chain([r"\u0061", r"\U00000061", r"\u{61}", r"\x{fc}", r"[\x{fc}]", r"[a-\x{fc}]", r"\v", r"\b{start}"])
            .chain(["\u{e9}?b", "x\u{e9}*", "(?u)a", "(?U)a", "(?-u)a", "(?R)a", "(?u:a)"])
        {
            assert!(matches!(check(regex), Err(Mistake::NotPerl(_))), "{regex}");
        }
    }

    #[test]
    fn what_perl_reads_alike_passes() {
        for regex in [
            r"^mail\d+[-.a-z_]\.example\.org$",
            "a+?b*?",
            "(a+)+",
            "[[:alpha:]]",
            r"\bx\b",
            "[^a-z]",
            "(x",
            "(?i)a",
            r"\x{41}\xfc",
            "(?:\u{e9})?b",
        ] {
            assert_eq!(check(regex), Ok(()), "{regex}");
        }
    }
}
