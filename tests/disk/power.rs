//! Power that is lost on a real file system: ext4 on a loop device, shut down without its journal being written.
//!
//! `POWER_CYCLES=200` sets how many times.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::mounted::{Disk, Kind};
use super::{NOW, is_deferred, mail};
use crate::support::{Address, Client, Rng, skipped_anywhere};

/// How long after its answer a record may not be durable.
const INTERVAL: Duration = Duration::from_secs(1);

/// New triplets until the daemon or its disk is gone, with the moment of each answer.
fn load(address: &Address, numbers: std::ops::Range<usize>) -> Vec<(usize, Instant)> {
    let mut client = Client::connect(address);
    let mut ledger = Vec::new();
    for number in numbers {
        let Ok(reply) = client.try_ask(&mail(number)) else { break };
        if !is_deferred(&reply) {
            // There is nothing left that takes records.
            break;
        }
        ledger.push((number, Instant::now()));
        thread::sleep(Duration::from_micros(200));
    }
    ledger
}

/// Loses power under load; how many were lost of how many that had to be durable. `None` if that cannot be done here.
fn cycle(
    disk: &Disk,
    sync: &str,
    numbers: std::ops::Range<usize>,
    run_for: Duration,
) -> Result<(usize, usize), String> {
    let setup = disk.setup().with([format!("--sync={sync}")]);
    let daemon = setup.start();
    let (address, first) = (daemon.address().clone(), numbers.start);
    let loader = thread::spawn(move || load(&address, numbers));
    thread::sleep(run_for);
    let lost_at = Instant::now();
    disk.lose_power()?;
    daemon.signal(Signal::SIGKILL);
    drop(daemon);
    let ledger = loader.join().unwrap();
    disk.boot_again();
    let daemon = setup.start();
    let mut client = daemon.client();
    let grace = if sync == "always" { Duration::ZERO } else { INTERVAL };
    let durable: Vec<usize> =
        ledger.iter().filter(|(_, at)| *at + grace < lost_at).map(|(number, _)| *number).collect();
    assert!(durable.len() > 20, "only {} of {}", durable.len(), ledger.len());
    let lost = durable.iter().filter(|&&number| is_deferred(&client.ask(&mail(number).at(NOW + 300)))).count();
    assert!(is_deferred(&client.ask(&mail(first + 99_999).at(NOW + 300))), "nobody passes who never came");
    Ok((lost, durable.len()))
}

#[test]
fn what_was_synced_survives() {
    let test = "disk::power::what_was_synced_survives";
    let cycles = std::env::var("POWER_CYCLES").map_or(3, |cycles| cycles.parse().unwrap());
    let Some(disk) = Disk::mount(test, Kind::Ext4, 128) else { return };
    let mut rng = Rng::new(Rng::seed());
    let mut durable = 0;
    for number in 0..cycles {
        let sync = if number % 2 == 0 { "always" } else { "1s" };
        let least = if sync == "always" { 300 } else { 2000 };
        let run_for = Duration::from_millis(least + rng.below(1000));
        match cycle(&disk, sync, number * 100_000..(number + 1) * 100_000 - 1, run_for) {
            Ok((lost, of)) => {
                assert_eq!(lost, 0, "cycle {number}, --sync={sync}: {lost} of {of} lost");
                durable += of;
            }
            Err(reason) => return skipped_anywhere(test, &reason),
        }
    }
    println!("{cycles} power losses, 0 of {durable} durable triplets lost");
}
