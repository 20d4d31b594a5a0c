//! The commands: settings to a summary. The order is that of an import that leaves nothing half done: all is looked at and read,
//! as whoever calls; then the directory is made, its owner assumed, the state opened, and everything appended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::TransferError;
use super::dump::{self, Databases};
use super::portable::{self, Export};
use super::postgrey::Entries;
use super::progress::Progress;
use super::summary::{Found, Skip, Summary, Taken};
use super::take::take;
use crate::clock::UnixSecs;
use crate::config::transfer::{ExportSettings, ImportSettings};
use crate::config::{LogSettings, LogTarget};
use crate::logs;
use crate::metrics::Counter;
use crate::process::Owner;
use crate::store::{self, OpenError, Records, Store};
use crate::table::{Lifetimes, Record, Secret};

/// Takes over what postgrey knows.
pub fn import_postgrey(settings: &ImportSettings) -> Result<Summary, TransferError> {
    let databases = Databases::find(&settings.source)?;
    let state = &settings.state.dir;
    let owner = Owner::of(state, settings.user.as_deref(), settings.group.as_deref())?;
    let (secret, now) = (store::existing_key(state)?, UnixSecs::now());
    let secret = match secret {
        Some(secret) => secret,
        None => {
            store::new_secret().map_err(|source| OpenError::Io { path: state.clone(), what: "make a key", source })?
        }
    };
    let mut entries = Entries::new(&secret, &settings.terms, now);
    let mut sources = Vec::new();
    let found = read_database(&databases.triplets, "triplets", |key, value| entries.triplet(key, value))?;
    sources.push((databases.triplets, found));
    if let Some(clients) = databases.clients {
        let found = read_database(&clients, "clients", |key, value| entries.client(key, value))?;
        sources.push((clients, found));
    }
    let (records, odd) = entries.finish();
    let taken = give(settings, &owner, &secret, records, now)?;
    Ok(Summary { sources, state: state.clone(), taken, odd })
}

fn read_database(
    path: &Path,
    what: &'static str,
    mut add: impl FnMut(&[u8], &[u8]) -> Result<(), Skip>,
) -> Result<Found, TransferError> {
    let (mut found, mut progress) = (Found::default(), Progress::unbounded(what));
    dump::each(path, |key, value| {
        found.count(add(key, value), key);
        progress.step();
    })?;
    Ok(found)
}

/// Takes over what another irongrey has exported.
pub fn import_file(settings: &ImportSettings) -> Result<Summary, TransferError> {
    let state = &settings.state.dir;
    let owner = Owner::of(state, settings.user.as_deref(), settings.group.as_deref())?;
    let no_key = || TransferError::NoKey { key: state.join("key"), file: settings.source.clone() };
    let (secret, now) = (store::existing_key(state)?.ok_or_else(no_key)?, UnixSecs::now());
    let (lifetimes, mut found, mut records) = (store::lifetimes(&settings.terms), Found::default(), Vec::new());
    let mut progress = Progress::unbounded("records");
    portable::read(&settings.source, &secret, |record| {
        let record = Record { time: record.time.min(now), ..record };
        let counts = lifetimes.allow(record.kind, record.time, now);
        found.count_current(counts);
        records.extend(counts.then_some(record));
        progress.step();
    })?;
    drop(progress);
    let taken = give(settings, &owner, &secret, records, now)?;
    Ok(Summary { sources: vec![(settings.source.clone(), found)], state: state.clone(), taken, odd: Vec::new() })
}

/// Writes down what the state knows; the number of records, and what had to be left out.
pub fn export(settings: &ExportSettings) -> Result<(u64, Vec<String>), TransferError> {
    let (records, now) = (Records::open(&settings.state)?, UnixSecs::now());
    let lifetimes = store::lifetimes(&settings.terms);
    let written = match &settings.output {
        None => write(io::stdout().lock(), Path::new("standard output"), &records, lifetimes, now)?.0,
        Some(path) => {
            let mut new = path.clone().into_os_string();
            new.push(".new");
            let new = PathBuf::from(new);
            let written = write_file(path, &new, &records, lifetimes, now);
            if written.is_err() {
                let _ = fs::remove_file(&new);
            }
            written?
        }
    };
    Ok((written, records.damaged().to_vec()))
}

fn write_file(
    path: &Path,
    new: &Path,
    records: &Records,
    lifetimes: Lifetimes,
    now: UnixSecs,
) -> Result<u64, TransferError> {
    let failed = |source| TransferError::Output { path: path.to_owned(), source };
    // Neither a device nor a link that somebody has put there is written over.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let _ = fs::remove_file(new);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new).map_err(failed)?;
    let (written, file): (u64, File) = write(file, path, records, lifetimes, now)?;
    file.sync_all().and_then(|()| fs::rename(new, path)).map_err(failed)?;
    Ok(written)
}

/// The number of records, and what was written to.
fn write<W: Write>(
    out: W,
    path: &Path,
    records: &Records,
    lifetimes: Lifetimes,
    now: UnixSecs,
) -> Result<(u64, W), TransferError> {
    let failed = |source| TransferError::Output { path: path.to_owned(), source };
    let mut progress = Progress::unbounded("records");
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut export = Export::begin(&mut out, records.secret()).map_err(failed)?;
    records.each(|record| {
        progress.step();
        if lifetimes.allow(record.kind, record.time, now) { export.record(record).map_err(failed) } else { Ok(()) }
    })?;
    let written = export.end().map_err(failed)?;
    Ok((written, out.into_inner().map_err(|error| failed(error.into_error()))?))
}

/// Gives the state these records, whose tags were made with `secret`. From here on something is changed.
fn give(
    settings: &ImportSettings,
    owner: &Owner,
    secret: &Secret,
    records: Vec<Record>,
    now: UnixSecs,
) -> Result<Taken, TransferError> {
    let dir = &settings.state.dir;
    owner.assume(dir)?;
    if store::put_key(dir, secret)? != *secret {
        return Err(TransferError::KeyAppeared(dir.clone()));
    }
    let log = LogSettings { target: LogTarget::Stderr, quiet: true, verbose: false };
    let (_, log) = logs::start(&log, "irongrey", 0)?;
    let given = give_opened(settings, records, now);
    log.stop();
    given
}

fn give_opened(settings: &ImportSettings, records: Vec<Record>, now: UnixSecs) -> Result<Taken, TransferError> {
    let failed = |source| OpenError::Io { path: settings.state.dir.clone(), what: "watch the mappings", source };
    store::exit_on_bus_error().map_err(failed)?;
    let store = Store::open(&settings.state, &settings.terms, settings.workers, now)?;
    store.finish_repair();
    let taken = take(&store, records, now);
    store.sync();
    store.close();
    let failures: u64 = store.counters().iter().map(|counters| counters.get(Counter::SyncFailures)).sum();
    if failures > 0 && taken.is_ok() {
        return Err(TransferError::NotDurable(settings.state.dir.clone()));
    }
    taken
}
