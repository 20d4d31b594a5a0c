//! Finds in a regex what Perl reads differently without the engine refusing it: postgrey's files are written for Perl.
//!
//! What the engine lacks (look-around, back-references) it refuses by itself.

use regex_syntax::ast::{self, AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem};

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
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundaryStartAngle | AssertionKind::WordBoundaryEndAngle => {
                    Err(Mistake::NotPerl("`\\<` or `\\>`"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Mistake> {
        match item {
            ClassSetItem::Bracketed(_) => Err(Mistake::NotPerl("`[` inside a character class (write `\\[`)")),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), Mistake> {
        Err(Mistake::NotPerl("`&&`, `--` or `~~` inside a character class (escape one of the two)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perl_reads_differently_is_refused() {
        for regex in ["a++b", "(?:a)*+", "x{2}+", r"\<mail", r"mail\>", "[a[b]]", "[a&&b]", "[a-z--m]"] {
            assert!(matches!(check(regex), Err(Mistake::NotPerl(_))), "{regex}");
        }
    }

    #[test]
    fn what_perl_reads_alike_passes() {
        for regex in [r"^mail\d+[-.a-z_]\.example\.org$", "a+?b*?", "(a+)+", "[[:alpha:]]", r"\bx\b", "[^a-z]", "(x"] {
            assert_eq!(check(regex), Ok(()), "{regex}");
        }
    }
}
