//! [`Exim`]: a whole Exim with its own configuration, spool and log in one temporary directory, on a port of the loopback address.
//!
//! Debian's Exim and Postfix cannot be installed beside each other, so its program is taken out of its package, once for a
//! build directory, and run where it sees a user of its own in `/etc/passwd`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Guarded, free_port, is_root, skipped_anywhere, tool};

/// The user of Debian's Exim, and the number that it has here.
const USER: &str = "Debian-exim";
const ID: u32 = 899;
/// Below which an installed one is.
const INSTALLED: &str = "/";

/// A running Exim, ended when dropped.
pub(crate) struct Exim {
    process: Guarded,
    dir: TempDir,
    smtp: SocketAddr,
}

impl Exim {
    /// Starts one that takes mail for `customer.test` if these statements of the ACL for recipients let it pass, and keeps it in
    /// its queue. `None`, said on the terminal, where there can be none.
    pub(crate) fn start(test: &str, statements: &str) -> Option<Self> {
        match Self::try_start(statements) {
            Ok(exim) => Some(exim),
            Err(reason) => {
                skipped_anywhere(test, &reason);
                None
            }
        }
    }

    fn try_start(statements: &str) -> Result<Self, String> {
        if !is_root() {
            return Err("only root can start an Exim".to_owned());
        }
        let root = package()?;
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("spool")).unwrap();
        chown(dir.path().join("spool"), Some(ID), Some(ID)).unwrap();
        for (file, entry) in [("passwd", "x:899:899::/:/usr/sbin/nologin"), ("group", "x:899:")] {
            let known = fs::read_to_string(format!("/etc/{file}")).unwrap();
            let others = known.lines().filter(|line| !line.starts_with(USER)).map(|line| line.to_owned() + "\n");
            fs::write(dir.path().join(file), others.collect::<String>() + USER + ":" + entry + "\n").unwrap();
        }
        let smtp = free_port();
        fs::write(dir.path().join("acl"), statements).unwrap();
        fs::write(dir.path().join("exim.conf"), configuration(dir.path(), smtp)).unwrap();
        let told = command(&root, dir.path(), "-bV").output().unwrap();
        if !told.status.success() {
            return Err(format!("Exim does not run: {}", String::from_utf8_lossy(&told.stderr)));
        }
        let said = fs::File::create(dir.path().join("said")).unwrap();
        let process = Guarded::spawn(command(&root, dir.path(), "-bdf").stderr(said));
        let mut exim = Self { process, dir, smtp };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(smtp).is_err() {
            let ended = exim.process.ended();
            assert!(ended.is_none() && Instant::now() < deadline, "no Exim ({ended:?}): {}", exim.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(exim)
    }

    /// Where it speaks SMTP.
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Its log so far, and what it complained of.
    pub(crate) fn log(&self) -> String {
        let text = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        ["said", "spool/log_main", "spool/log_panic"].map(text).concat()
    }

    /// The headers of each message in the queue, with the envelope.
    pub(crate) fn queue(&self) -> Vec<String> {
        let files = fs::read_dir(self.dir.path().join("spool/input")).into_iter().flatten().map(|file| file.unwrap());
        let headers = files.filter(|file| file.file_name().to_string_lossy().ends_with("-H"));
        headers.map(|file| fs::read_to_string(file.path()).unwrap()).collect()
    }
}

/// Exim, where it sees its user.
fn command(root: &Path, dir: &Path, mode: &str) -> Command {
    let script = r#"mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && exec "$0" "$2" -C "$1/exim.conf""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(root.join("usr/sbin/exim4")).arg(dir).arg(mode);
    if root != Path::new(INSTALLED) {
        let libraries = fs::read_dir(root.join("usr/lib")).unwrap().map(|entry| entry.unwrap().path());
        command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn configuration(dir: &Path, smtp: SocketAddr) -> String {
    format!(
        "exim_user = {USER}
spool_directory = {dir}/spool
log_file_path = {dir}/spool/log_%s
pid_file_path = {dir}/spool/pid
primary_hostname = mx.customer.test
local_interfaces = {address}
daemon_smtp_ports = {port}
tls_advertise_hosts =
keep_environment =
host_lookup_order = byaddr
rfc1413_hosts =
queue_only
domainlist local_domains = customer.test
hostlist relay_from_hosts = 192.0.2.99
acl_smtp_rcpt = acl_check_rcpt
begin acl
acl_check_rcpt:
  require domains = +local_domains
.include {dir}/acl
  accept
",
        dir = dir.display(),
        address = smtp.ip(),
        port = smtp.port()
    )
}

/// Debian's package and the libraries that this machine lacks for it, unpacked; from the mirrors for the first time.
fn package() -> Result<PathBuf, String> {
    if tool("exim4").is_some() {
        return Ok(PathBuf::from(INSTALLED));
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exim");
    if !place.exists() {
        let work = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        unpack(work.path())?;
        // Another test may have been faster.
        if let Err(error) = fs::rename(work.path().join("root"), &place)
            && !place.exists()
        {
            return Err(format!("{}: {error}", place.display()));
        }
    }
    Ok(place)
}

fn unpack(work: &Path) -> Result<(), String> {
    let plan = run(work, "apt-get", &["-s", "install", "--no-install-recommends", "exim4-daemon-light"])?;
    let names = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    // Those two are scripts and configuration.
    let names: Vec<&str> = names.filter(|name| !["exim4-base", "exim4-config"].contains(name)).collect();
    run(work, "apt-get", &[&["download"], &names[..]].concat())?;
    for file in fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path()) {
        run(work, "dpkg", &["-x", file.to_str().unwrap(), "root"])?;
    }
    Ok(())
}

fn run(dir: &Path, program: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("timeout");
    let output = command.current_dir(dir).args(["-k1", "120", program]).args(words).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("Exim is not installed, and cannot be had: {program} {}: {}", words[0], said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
