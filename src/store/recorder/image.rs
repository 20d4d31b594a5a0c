//! [`Image`]: one directory that a crash at one moment may leave.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::World;
use super::world::{Contents, SECTOR, Sector};
use crate::store::last_run::{self, boot_id};

/// What the end takes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing, and the boot goes on: the process was killed.
    Killed,
    /// Nothing, but the machine went down.
    Nothing,
    /// Everything.
    All,
    /// Of each sector and each change of names: everything or nothing.
    Either,
    /// Of each sector any part.
    Any,
    /// Hardly anything, and of that any part.
    Little,
}

impl Loss {
    pub(crate) const EACH: [Self; 6] = [Self::Killed, Self::Nothing, Self::All, Self::Either, Self::Any, Self::Little];

    /// Which of `versions` is left, the last being the newest. `below(n)` is a random number below n.
    fn choose(self, versions: usize, below: &mut impl FnMut(u64) -> u64) -> usize {
        let any = |below: &mut dyn FnMut(u64) -> u64| usize::try_from(below(versions as u64)).unwrap();
        match self {
            Self::Killed | Self::Nothing => versions - 1,
            Self::All => 0,
            Self::Either => {
                if below(2) == 0 {
                    0
                } else {
                    versions - 1
                }
            }
            Self::Any => any(below),
            Self::Little => {
                if below(20) == 0 {
                    any(below)
                } else {
                    versions - 1
                }
            }
        }
    }
}

/// The files of a directory; `None`: it does not exist.
#[derive(Debug)]
pub(crate) struct Image {
    files: Option<BTreeMap<String, Left>>,
    is_same_boot: bool,
}

/// What is left of one file: its length, and the sectors that are not zeros.
type Left = (usize, Vec<(usize, Sector)>);

impl Image {
    /// What is left of `world`.
    pub(crate) fn of(world: &World, loss: Loss, mut below: impl FnMut(u64) -> u64) -> Self {
        let (durable, present) = world.exists;
        let exists = [durable, present][loss.choose(2, &mut below)];
        let mut names = world.names.clone();
        for change in &world.changes {
            if loss.choose(2, &mut below) == 1 {
                change.apply(&mut names);
            }
        }
        let mut content = |file: usize| {
            let Contents { lengths, sectors } = &world.files[file];
            let length = lengths[loss.choose(lengths.len(), &mut below)];
            let chosen = sectors.iter().map(|(sector, versions)| {
                let version = if versions.len() == 1 { 0 } else { loss.choose(versions.len(), &mut below) };
                (*sector, versions[version])
            });
            (length, chosen.filter(|(_, bytes)| *bytes != [0; SECTOR]).collect())
        };
        let files = names.into_iter().map(|(name, file)| (name, content(file))).collect();
        Self { files: exists.then_some(files), is_same_boot: loss == Loss::Killed }
    }

    /// Writes it out.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let Some(files) = &self.files else { return Ok(()) };
        fs::create_dir(directory)?;
        for (name, (length, sectors)) in files {
            let file = fs::File::create(directory.join(name))?;
            file.set_len(*length as u64)?;
            for (sector, bytes) in sectors {
                let left = length.saturating_sub(sector * SECTOR).min(SECTOR);
                file.write_all_at(&bytes[..left], (sector * SECTOR) as u64)?;
            }
        }
        self.take_for_original(directory)
    }

    /// Makes `run` say of these files what it said of the recorded ones.
    fn take_for_original(&self, directory: &Path) -> io::Result<()> {
        // Nothing rests on what stands in it.
        fs::write(directory.join("lock"), "")?;
        let path = directory.join("run");
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let text = match text.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["clean", ..] => last_run::clean(directory)?,
            ["running", boot, workers, _] if boot == boot_id() && self.is_same_boot => {
                last_run::running(directory, workers.parse().unwrap())?
            }
            _ => text.replace(&boot_id(), "another-boot"),
        };
        fs::write(path, text)
    }
}
