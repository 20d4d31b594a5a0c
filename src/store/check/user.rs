//! [`Starter`]: who would start the daemon, and what the kernel permits that user.
//!
//! A daemon does not serve as root unless it is told to. So root asks for the owner of the directory, whose groups and the
//! files' modes tell what is permitted; anybody else asks for itself. Access lists and security modules are not looked at.

use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, Uid, User, eaccess, geteuid, getgrouplist};

#[derive(Debug)]
pub(super) struct Starter {
    uid: Uid,
    name: String,
    groups: Vec<u32>,
}

impl Starter {
    pub(super) fn of(directory: &Path) -> Self {
        let owner = fs::metadata(directory).map_or(geteuid(), |metadata| Uid::from_raw(metadata.uid()));
        let uid = if geteuid().is_root() { owner } else { geteuid() };
        let user = User::from_uid(uid).ok().flatten();
        let groups =
            user.as_ref().and_then(|user| getgrouplist(&CString::new(user.name.as_str()).ok()?, user.gid).ok());
        Self {
            uid,
            name: user.map_or_else(|| uid.to_string(), |user| user.name),
            groups: groups.unwrap_or_default().into_iter().map(Into::into).collect(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_root(&self) -> bool {
        self.uid.is_root()
    }

    /// Whether a file, which is no link, may be reached in this way.
    pub(super) fn may(&self, path: &Path, access: AccessFlags) -> io::Result<()> {
        // Also for somebody else, as nobody may write where nothing can be written.
        eaccess(path, access)?;
        if self.uid == geteuid() || self.is_permitted(&fs::symlink_metadata(path)?, access) {
            return Ok(());
        }
        Err(Errno::EACCES.into())
    }

    fn is_permitted(&self, file: &Metadata, access: AccessFlags) -> bool {
        let shift = match file.uid() == self.uid.as_raw() {
            true => 6,
            false if self.groups.contains(&file.gid()) => 3,
            false => 0,
        };
        // The bits of a mode are those of access(2).
        let wanted = u32::try_from(access.bits()).unwrap_or_default();
        file.mode() >> shift & wanted == wanted
    }
}
