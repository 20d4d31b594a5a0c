//! `irongrey state check`: what a state directory holds, what of it is damaged, and what a start would do. Nothing is changed,
//! so it may be run beside the daemon.

mod look;
mod piece;
mod survey;
mod text;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::file::BadFile;
use super::format::RingKind;
use super::last_run::LastRun;
use super::listing::{Listing, holder, key};
use super::open::{Parts, judge};
use crate::clock::UnixSecs;
use look::Look;
use survey::Survey;

/// What was found in a state directory. Its text is the report.
#[derive(Debug)]
pub struct Report {
    directory: PathBuf,
    now: UnixSecs,
    /// The process that has it.
    holder: Option<String>,
    last_run: LastRun,
    has_key: bool,
    /// Why a start would be refused.
    refusals: Vec<OpenError>,
    /// What a start would set aside.
    damaged: Vec<(PathBuf, BadFile)>,
    segments: Vec<(Role, Survey)>,
    /// Damaged files that earlier starts have set aside, with their bytes.
    set_aside: Vec<(PathBuf, u64)>,
    unfinished: Vec<PathBuf>,
}

/// What a segment is to the daemon that serves it, or to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Only read, and its index is believed after any end.
    Sealed,
    /// Only read, to be sealed.
    Closed,
    /// Appended to.
    Active,
    /// The next to be appended to.
    Spare,
    /// A start removes it.
    Unused,
}

impl Report {
    /// Looks through the directory. An error is one that says nothing about its contents.
    pub fn read(directory: &Path, now: UnixSecs) -> Result<Self, OpenError> {
        let Listing { segments: paths, unfinished, set_aside } =
            Listing::read(directory).map_err(OpenError::io(directory, "list the directory"))?;
        let (holder_before, last_run) = (holder(directory)?, LastRun::read(directory));
        let key_path = directory.join("key");
        let (mut refusals, mut damaged, mut surveys) = (Vec::new(), Vec::new(), Vec::new());
        let secret = key(&key_path).unwrap_or_else(|error| {
            refusals.push(error);
            None
        });
        if secret.is_none() && refusals.is_empty() && !paths.is_empty() {
            refusals.push(OpenError::KeyMissing { path: key_path.clone() });
        }
        for path in paths {
            match judge(Look::open(&path), Look::header, &path, &key_path, secret.as_ref()) {
                Ok(Ok(look)) => surveys.push(Survey::of(&look)),
                Ok(Err(reason)) => damaged.push((path, reason)),
                // Dropped since its name was read.
                Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => refusals.push(error),
            }
        }
        surveys.sort_by_key(|survey| survey.sequence);
        let with_size = |path: PathBuf| {
            let bytes = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            (path, bytes)
        };
        let segments = RingKind::BOTH.into_iter().flat_map(|kind| with_roles(kind, &mut surveys, last_run)).collect();
        Ok(Self {
            directory: directory.to_owned(),
            now,
            // A daemon may have begun to write while the segments were gone over.
            holder: match holder_before {
                Some(pid) => Some(pid),
                None => holder(directory)?,
            },
            last_run,
            has_key: secret.is_some(),
            refusals,
            damaged,
            segments,
            set_aside: set_aside.into_iter().map(with_size).collect(),
            unfinished,
        })
    }

    /// Whether marks and slots can be expected to be complete: nobody writes, and the last one has closed the files.
    fn is_at_rest(&self) -> bool {
        self.holder.is_none() && self.last_run == LastRun::Clean
    }

    /// The exit code: 1 for damage, 2 for what the administrator has to put right before a start, otherwise 0.
    pub fn exit_code(&self) -> u8 {
        let is_damaged =
            !self.damaged.is_empty() || self.segments.iter().any(|(_, survey)| survey.is_damaged(self.is_at_rest()));
        match (is_damaged, self.refusals.is_empty()) {
            (true, _) => 1,
            (false, false) => 2,
            (false, true) => 0,
        }
    }
}

fn with_roles(kind: RingKind, surveys: &mut Vec<Survey>, last_run: LastRun) -> Vec<(Role, Survey)> {
    let Parts { older, active, spare, needless, .. } = Parts::of(kind, surveys, |survey| survey.outline(last_run));
    let older = older.into_iter().map(|survey| (if survey.is_sealed() { Role::Sealed } else { Role::Closed }, survey));
    let single = |role: Role, survey: Option<Survey>| survey.map(|survey| (role, survey));
    let rest = needless.into_iter().map(|survey| (Role::Unused, survey));
    older.chain(single(Role::Active, active)).chain(single(Role::Spare, spare)).chain(rest).collect()
}
