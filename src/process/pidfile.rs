//! The file with the daemon's process id, for service scripts.
//!
//! It is opened while the process may be root, and written once nothing can go wrong any more. It keeps its owner and is
//! closed then: a file that the daemon's user could write would let that user choose which process root's scripts signal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use thiserror::Error;

/// The file cannot be written.
#[derive(Debug, Error)]
#[error("--pidfile={}: cannot be written: {source}; name a file in a directory that exists", path.display())]
pub struct PidfileError {
    path: PathBuf,
    source: io::Error,
}

/// The file; removed, if it may be, when this is dropped.
#[derive(Debug)]
pub(super) struct Pidfile {
    path: PathBuf,
    /// Open until it is written.
    file: Option<File>,
    /// This process made or wrote it, so it may be taken away.
    own: bool,
}

impl Pidfile {
    /// Opens or makes the file. One that exists keeps its content until [`Pidfile::write`].
    pub(super) fn reserve(path: &Path) -> Result<Self, PidfileError> {
        let new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
        let (opened, own) = match new {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Nobody may listen at a pipe's other end.
                (OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path), false)
            }
            new => (new, true),
        };
        let file = opened.map_err(|source| PidfileError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: Some(file), own })
    }

    /// Writes this process's id, once.
    pub(super) fn write(&mut self) -> Result<(), PidfileError> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let written = file.metadata().and_then(|found| {
            // A device, such as /dev/null, has no length and is nobody's to remove.
            self.own = found.is_file();
            if self.own {
                file.set_len(0)?;
            }
            writeln!(file, "{}", std::process::id())
        });
        written.map_err(|source| PidfileError { path: self.path.clone(), source })
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        if self.own {
            // Without root the directory may not be writable any more; service scripts look whose process a number is.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lives_as_long_as_its_process() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("pid");
        let mut pidfile = Pidfile::reserve(&path).unwrap();
        pidfile.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(pidfile);
        assert!(!path.exists());
    }

    #[test]
    fn a_start_that_fails_leaves_the_file_of_another() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("pid");
        fs::write(&path, "12345678\n").unwrap();
        drop(Pidfile::reserve(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "12345678\n");
        let mut pidfile = Pidfile::reserve(&path).unwrap();
        pidfile.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn what_is_no_file_is_neither_waited_for_nor_removed() {
        let base = tempfile::tempdir().unwrap();
        let (null, pipe) = (base.path().join("null"), base.path().join("pipe"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Pidfile::reserve(&pipe).unwrap_err();
        assert!(pipe.exists());
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        let mut pidfile = Pidfile::reserve(&null).unwrap();
        pidfile.write().unwrap();
        drop(pidfile);
        assert!(null.exists());
    }

    #[test]
    fn the_error_names_the_option() {
        let error = Pidfile::reserve(Path::new("/nonexistent/pid")).unwrap_err().to_string();
        assert!(error.starts_with("--pidfile=/nonexistent/pid: "), "{error}");
    }
}
