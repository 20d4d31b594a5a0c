//! `irongrey state check`: what a state directory holds, what of it is damaged, and what a start would do. Nothing is changed,
//! so it may be run beside the daemon.

mod piece;
mod start;
mod survey;
mod text;
mod user;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;

use super::error::OpenError;
use super::file::BadFile;
use super::format::RingKind;
use super::last_run::LastRun;
use super::listing::{Listing, holder, key};
use super::look::Look;
use super::open::{Parts, judge};
use crate::clock::UnixSecs;
use crate::table::Secret;
use start::{CHANGE, Start, is_directory};
use survey::Survey;
use user::Starter;

/// What was found in a state directory. Its text is the report.
#[derive(Debug)]
pub struct Report {
    directory: PathBuf,
    now: UnixSecs,
    /// Who would start the daemon, with how many workers.
    starter: Starter,
    workers: usize,
    holder: Holder,
    last_run: LastRun,
    has_key: bool,
    /// Why a start would be refused.
    refusals: Vec<OpenError>,
    /// Why there would be no segment to append to.
    shortage: Option<String>,
    /// What a start would set aside.
    damaged: Vec<(PathBuf, BadFile)>,
    segments: Vec<(Role, Survey)>,
    /// Damaged files that earlier starts have set aside, with their bytes; `None` for a directory.
    set_aside: Vec<(PathBuf, Option<u64>)>,
    unfinished: Vec<PathBuf>,
}

/// Who has the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    /// A process, as it calls itself.
    Process(String),
    /// The lock cannot be read.
    Unknown,
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
    /// Looks through the directory, in which a daemon with so many `workers` would be started. An error is one that says
    /// nothing about its contents.
    pub fn read(directory: &Path, workers: usize, now: UnixSecs) -> Result<Self, OpenError> {
        let Listing { segments, unfinished, set_aside } =
            Listing::read(directory).map_err(OpenError::io(directory, "list the directory"))?;
        let bytes = |path: &Path| fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        let with_bytes = |path: PathBuf| ((!is_directory(&path)).then(|| bytes(&path)), path);
        let mut report = Self {
            directory: directory.to_owned(),
            now,
            starter: Starter::of(directory),
            workers,
            holder: Holder::Unknown,
            last_run: LastRun::read(directory),
            has_key: false,
            refusals: Vec::new(),
            shortage: None,
            damaged: Vec::new(),
            segments: Vec::new(),
            set_aside: set_aside.into_iter().map(with_bytes).map(|(bytes, path)| (path, bytes)).collect(),
            unfinished,
        };
        report.note_holder();
        let has_segments = !segments.is_empty();
        let secret = report.read_key(has_segments);
        let (surveys, holes) = report.look_at(segments, secret.as_ref());
        // A daemon may have begun to write while the segments were gone over.
        if report.holder == Holder::Nobody {
            report.note_holder();
        }
        let makes = report.give_roles(surveys);
        report.note_obstacles(has_segments, &makes, holes);
        Ok(report)
    }

    fn note_holder(&mut self) {
        self.holder = match holder(&self.directory) {
            Ok(None) => Holder::Nobody,
            Ok(Some(pid)) => Holder::Process(pid),
            Err(error) => {
                self.refusals.push(error);
                Holder::Unknown
            }
        };
    }

    fn read_key(&mut self, has_segments: bool) -> Option<Secret> {
        let path = self.directory.join("key");
        let secret = match key(&path) {
            Ok(Some(secret)) => {
                let permitted = self.starter.may(&path, AccessFlags::R_OK);
                self.refusals.extend(permitted.map_err(OpenError::io(&path, "read the key")).err());
                Some(secret)
            }
            Ok(None) if has_segments => {
                self.refusals.push(OpenError::KeyMissing { path });
                None
            }
            Ok(None) => None,
            Err(error) => {
                self.refusals.push(error);
                None
            }
        };
        self.has_key = secret.is_some();
        secret
    }

    /// Goes over the segments, in the order of their numbers; also the bytes that those lack that have holes.
    fn look_at(&mut self, paths: Vec<PathBuf>, secret: Option<&Secret>) -> (Vec<Survey>, u64) {
        let (key_path, mut surveys, mut holes) = (self.directory.join("key"), Vec::new(), 0);
        for path in paths {
            let judged = judge(Look::open(&path), Look::header, &path, &key_path, secret);
            if !matches!(judged, Ok(Err(BadFile::NotAFile)) | Err(_)) {
                let permitted = self.starter.may(&path, AccessFlags::R_OK | AccessFlags::W_OK);
                self.refusals.extend(permitted.map_err(OpenError::io(&path, "open the segment")).err());
            }
            match judged {
                Ok(Ok(look)) => {
                    holes += look.holes();
                    surveys.push(Survey::of(&look));
                }
                Ok(Err(reason)) => self.damaged.push((path, reason)),
                // Dropped since its name was read.
                Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.refusals.push(error),
            }
        }
        surveys.sort_by_key(|survey| survey.sequence);
        (surveys, holes)
    }

    /// Gives each segment its role; the segments that a start would make, under the names that they have until they are
    /// finished.
    fn give_roles(&mut self, mut surveys: Vec<Survey>) -> Vec<PathBuf> {
        let mut makes = Vec::new();
        for kind in RingKind::BOTH {
            let outline = |survey: &Survey| survey.outline(self.last_run);
            let Parts { older, active, spare, needless, next_sequence } = Parts::of(kind, &mut surveys, outline);
            if active.is_none() {
                makes.push(self.directory.join(kind.file_name(next_sequence)).with_extension("new"));
            }
            let closed = |survey: Survey| (if survey.is_sealed() { Role::Sealed } else { Role::Closed }, survey);
            self.segments.extend(older.into_iter().map(closed));
            self.segments.extend(active.map(|survey| (Role::Active, survey)));
            self.segments.extend(spare.map(|survey| (Role::Spare, survey)));
            self.segments.extend(needless.into_iter().map(|survey| (Role::Unused, survey)));
        }
        makes
    }

    fn note_obstacles(&mut self, has_segments: bool, makes: &[PathBuf], holes: u64) {
        let unused = self.segments.iter().find(|(role, _)| *role == Role::Unused);
        let is_used = |(_, survey): &(Role, Survey)| !survey.outline(self.last_run).is_unused;
        let has_been_used = self.segments.iter().any(is_used) || !self.damaged.is_empty() || !self.set_aside.is_empty();
        let start = Start {
            directory: &self.directory,
            starter: &self.starter,
            workers: self.workers,
            is_new: !has_been_used,
            makes_key: !has_segments && fs::symlink_metadata(self.directory.join("key")).is_err(),
            sets_aside: self.damaged.first().map(|(path, _)| &**path),
            removes: unused.map(|(_, survey)| &*survey.path),
            makes,
            holes,
            unfinished: &self.unfinished,
        };
        let (obstacles, shortage) = (start.obstacles(), start.room_for_segments().err());
        self.refusals.extend(obstacles);
        self.shortage = shortage;
    }

    /// Whether a start can remove what was not finished.
    fn is_removed(&self, unfinished: &Path) -> bool {
        !is_directory(unfinished) && self.starter.may(&self.directory, CHANGE).is_ok()
    }

    /// Whether marks and slots can be expected to be complete: nobody writes, and the last one has closed the files.
    fn is_at_rest(&self) -> bool {
        self.holder == Holder::Nobody && self.last_run == LastRun::Clean
    }

    /// The exit code: 1 for damage and for what the system refuses, 2 for what the administrator has to put right before a
    /// start, otherwise 0.
    pub fn exit_code(&self) -> u8 {
        let is_damaged =
            !self.damaged.is_empty() || self.segments.iter().any(|(_, survey)| survey.is_damaged(self.is_at_rest()));
        if is_damaged { 1 } else { self.refusals.iter().map(OpenError::exit_code).min().unwrap_or(0) }
    }
}
