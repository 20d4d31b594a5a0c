//! [`Disk`]: a file system of a test's own.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Program, Setup, is_root, skipped, skipped_anywhere};

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// tmpfs.
    Memory,
    /// ext4 on a loop device, on which power can be lost.
    Ext4,
}

/// A file system with a size, unmounted when dropped.
pub(crate) struct Disk {
    dir: TempDir,
    kind: Kind,
    mebibytes: u32,
}

impl Disk {
    /// `None`, said on the terminal, where it cannot be mounted.
    pub(crate) fn mount(test: &str, kind: Kind, mebibytes: u32) -> Option<Self> {
        if !is_root() {
            skipped(test, "only root can mount a small file system");
            return None;
        }
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("disk")).unwrap();
        let disk = Self { dir, kind, mebibytes };
        if let Err(reason) = disk.make().and_then(|()| disk.attach()) {
            // Not every container may have loop devices.
            let skip = if kind == Kind::Memory { skipped } else { skipped_anywhere };
            skip(test, &format!("no file system can be mounted: {reason}"));
            return None;
        }
        fs::set_permissions(disk.root(), Permissions::from_mode(0o777)).unwrap();
        Some(disk)
    }

    fn make(&self) -> Result<(), String> {
        if self.kind == Kind::Memory {
            return Ok(());
        }
        File::create(self.backing()).unwrap().set_len(u64::from(self.mebibytes) << 20).unwrap();
        // All that describes the file system stands in front, so that what lies behind can be cut off.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-b", "4096", "-E", "packed_meta_blocks=1"])
            .arg(self.backing()))
    }

    fn attach(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        match self.kind {
            Kind::Memory => mount.args(["-t", "tmpfs", "-o", &format!("size={}m", self.mebibytes), "tmpfs"]),
            Kind::Ext4 => mount.args(["-o", "loop"]).arg(self.backing()),
        };
        run(mount.arg(self.root()))
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// The file behind the loop device.
    pub(crate) fn backing(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// The state directory on it.
    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// A daemon with its state on it.
    pub(crate) fn setup(&self) -> Setup {
        setup(self.dir.path(), self.state())
    }

    /// Fills what is left of the disk; returns what to remove to have it back.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.root().join("filler");
        let mut file = File::create(&path).unwrap();
        let piece = vec![1; 1 << 16];
        while file.write_all(&piece).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
        path
    }

    /// Unmounts and mounts again: nothing of it is left in memory. Nobody may have a file open.
    pub(crate) fn mount_again(&self) {
        run(Command::new("umount").arg(self.root())).unwrap();
        self.attach().unwrap();
    }

    /// The same, and the state seems to come from another boot: here the kernel is still the same one.
    pub(crate) fn boot_again(&self) {
        self.mount_again();
        let run = self.state().join("run");
        let text = fs::read_to_string(&run).unwrap();
        fs::write(&run, text.replacen(text.split_whitespace().nth(1).unwrap(), "another-boot", 1)).unwrap();
    }

    /// From now on nothing reaches the disk any more, not even the journal, as when the power is gone (`EXT4_IOC_SHUTDOWN`
    /// with `EXT4_GOING_FLAGS_NOLOGFLUSH`). An error says that the machine does not permit it.
    pub(crate) fn lose_power(&self) -> Result<(), String> {
        const CALL: &str = r#"
            open(my $root, "<", $ARGV[0]) or die $!;
            my $no_log_flush = pack("L", 2);
            ioctl($root, 0x8004587d, $no_log_flush) or die $!;
        "#;
        let result = run(Command::new("perl").args(["-e", CALL]).arg(self.root()));
        if let Err(reason) = &result {
            assert!(reason.contains("not permitted") || reason.contains("Inappropriate ioctl"), "{reason}");
        }
        result
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as a daemon that is not dropped yet still has files there.
        Command::new("umount").arg("-l").arg(self.root()).status().ok();
    }
}

/// A daemon that listens in `dir`, with its state in `state`.
pub(crate) fn setup(dir: &Path, state: PathBuf) -> Setup {
    let options = ["--test-clock", "--auto-whitelist-clients=0", "--quiet"];
    Setup::new(Program::Serve, dir).state(state).with(options)
}

/// Runs a command to its end; what it said if it failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
