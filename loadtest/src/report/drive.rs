//! The lines after a drive.

use super::comparison::{BUSY, at};
use crate::driver::Tally;

/// Prints what a drive came to.
pub(crate) fn print_drive(tally: &Tally) {
    let answers = tally.answers;
    println!(
        "{} answers in {:.2} s, {:.0} a second: {} deferred, {} dunno, {} prepend, {} other",
        answers.total(),
        tally.elapsed.as_secs_f64(),
        tally.rate(),
        answers.deferred,
        answers.dunno,
        answers.prepend,
        answers.other
    );
    println!("latency: p50 {:.0} us, p99 {:.0} us, max {:.0} us", at(tally, 0.5), at(tally, 0.99), at(tally, 1.0));
    if let Some(worst) = tally.seconds.iter().max_by_key(|second| second.p99) {
        println!(
            "worst second: {} answers, p99 {} us, {} errors",
            worst.answers.total(),
            worst.p99 / 1000,
            worst.errors
        );
    }
    println!("the generator used {:.0}% of a core a thread ({} threads)", tally.own_share() * 100.0, tally.threads);
    let remarks = [
        (tally.interrupted, "ended by Ctrl-C".to_owned()),
        (tally.late > 0, format!("{} requests sent late by the generator's own fault", tally.late)),
        (tally.is_saturated(), format!("saturated: {:.1} s behind the rate", tally.behind.as_secs_f64())),
    ];
    let remarks: Vec<_> = remarks.into_iter().filter_map(|(holds, remark)| holds.then_some(remark)).collect();
    if !remarks.is_empty() {
        println!("{}", remarks.join("; "));
    }
    if tally.own_share() >= BUSY {
        println!("the generator may be what limits the rate");
    }
    if !tally.is_clean() {
        println!("{} requests lost; first failure: {}", tally.lost, tally.first_failure.as_deref().unwrap_or("none"));
    }
}
