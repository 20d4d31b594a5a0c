//! The file `releases.toml` beside the segments: senders and recipients that an administrator has released for a time. What
//! stands in it is control's business; here it is read and replaced as a whole.

use std::io::{self, Read};
use std::path::PathBuf;

use super::Store;
use super::directory::set_aside;
use super::disk::options;

const NAME: &str = "releases.toml";
/// Bytes of it at most: ten thousand of the longest addresses.
const LONGEST: u64 = 8 << 20;

impl Store {
    /// What was kept; `None` if nothing was.
    pub fn releases(&self) -> io::Result<Option<String>> {
        let file = match options(false).open(self.releases_path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text)?;
        Ok(Some(text))
    }

    /// Keeps this text instead, durably; the old one stays if that fails.
    pub fn keep_releases(&self, text: &str) -> io::Result<()> {
        self.directory.replace(NAME, text.as_bytes())
    }

    /// Gives the file another name, as nothing can be made of it.
    pub fn set_releases_aside(&self) -> io::Result<PathBuf> {
        set_aside(&self.releases_path())
    }

    /// Where it is.
    pub fn releases_path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }
}
