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

/// Triplets of one cycle.
const NUMBERS: usize = 100_000;

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

/// What came back after power was lost under load.
struct Back {
    /// Triplets that had to be durable.
    durable: usize,
    /// Those of them that are not known.
    lost: usize,
}

/// Loses power under the load of so many clients, the numbers shared among them; an error says that it cannot be done here.
fn cycle(
    disk: &Disk,
    options: &[&str],
    clients: usize,
    first: usize,
    run_for: Duration,
    again: fn(&Disk),
) -> Result<Back, String> {
    let setup = disk.setup().with(options.iter().copied());
    let daemon = setup.start();
    let each = NUMBERS / clients;
    let loaders: Vec<_> = (0..clients)
        .map(|client| (daemon.address().clone(), first + client * each..first + (client + 1) * each - 1))
        .map(|(address, numbers)| thread::spawn(move || load(&address, numbers)))
        .collect();
    thread::sleep(run_for);
    let lost_at = Instant::now();
    disk.lose_power()?;
    daemon.signal(Signal::SIGKILL);
    drop(daemon);
    let ledger: Vec<_> = loaders.into_iter().flat_map(|loader| loader.join().unwrap()).collect();
    again(disk);
    let daemon = setup.start();
    let mut client = daemon.client();
    let grace = if options.contains(&"--sync=always") { Duration::ZERO } else { INTERVAL };
    let durable: Vec<usize> =
        ledger.iter().filter(|(_, at)| *at + grace < lost_at).map(|(number, _)| *number).collect();
    assert!(durable.len() > 20, "only {} of {}", durable.len(), ledger.len());
    let lost = durable.iter().filter(|&&number| is_deferred(&client.ask(&mail(number).at(NOW + 300)))).count();
    assert!(is_deferred(&client.ask(&mail(first + NUMBERS - 1).at(NOW + 300))), "nobody passes who never came");
    Ok(Back { durable: durable.len(), lost })
}

#[test]
fn what_was_synced_survives() {
    let test = "disk::power::what_was_synced_survives";
    let cycles = std::env::var("POWER_CYCLES").map_or(3, |cycles| cycles.parse().unwrap());
    let Some(disk) = Disk::mount(test, Kind::Ext4, 128) else { return };
    let mut rng = Rng::new(Rng::seed());
    let mut durable = 0;
    for number in 0..cycles {
        let sync = if number % 2 == 0 { "--sync=always" } else { "--sync=1s" };
        let least = if number % 2 == 0 { 300 } else { 2000 };
        let run_for = Duration::from_millis(least + rng.below(1000));
        match cycle(&disk, &[sync], 1, number * NUMBERS, run_for, Disk::boot_again) {
            Ok(back) => {
                assert_eq!(back.lost, 0, "cycle {number}, {sync}: {} of {} lost", back.lost, back.durable);
                durable += back.durable;
            }
            Err(reason) => return skipped_anywhere(test, &reason),
        }
    }
    println!("{cycles} power losses, 0 of {durable} durable triplets lost");
}

/// What the process had not synced, fill marks and index, is gone, though the boot is the same: a disk of the network that was lost
/// for a while.
#[test]
fn what_was_synced_survives_if_the_disk_comes_back_in_the_same_boot() {
    let test = "disk::power::what_was_synced_survives_if_the_disk_comes_back_in_the_same_boot";
    let Some(disk) = Disk::mount(test, Kind::Ext4, 128) else { return };
    match cycle(&disk, &["--sync=always"], 64, 0, Duration::from_secs(1), Disk::mount_again) {
        Ok(back) => {
            assert_eq!(back.lost, 0, "of {}", back.durable);
        }
        Err(reason) => skipped_anywhere(test, &reason),
    }
}
