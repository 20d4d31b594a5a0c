//! [`Postfix`]: a whole Postfix with its own configuration, queue, mailboxes and log, all in one temporary directory, on
//! a port of the loopback address. It needs root and nothing of the machine's own Postfix but its programs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::User;
use tempfile::TempDir;

use super::{Guarded, free_port, tool};

/// Does smtpd run in a chroot, as it does on Debian?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chroot {
    Yes,
    No,
}

/// A running Postfix, ended when dropped.
pub(crate) struct Postfix {
    master: Guarded,
    dir: TempDir,
    smtp: SocketAddr,
}

impl Postfix {
    /// A temporary directory with the configuration and the queue of a Postfix in it, which is not started yet: sockets
    /// can be put into its queue.
    pub(crate) fn prepare() -> TempDir {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["conf", "queue", "data", "mail"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let postfix = User::from_name("postfix").unwrap().expect("a user postfix");
        let nobody = User::from_name("nobody").unwrap().expect("a user nobody");
        chown(dir.path().join("data"), Some(postfix.uid.as_raw()), None).unwrap();
        chown(dir.path().join("mail"), Some(nobody.uid.as_raw()), None).unwrap();
        fs::write(dir.path().join("conf/main.cf"), main_cf(dir.path(), nobody.uid.as_raw())).unwrap();
        fs::write(dir.path().join("conf/master.cf"), MASTER_CF).unwrap();
        check(&dir.path().join("conf"));
        dir
    }

    /// Starts what was prepared, with these `smtpd_recipient_restrictions`.
    pub(crate) fn start(dir: TempDir, restrictions: &str, chroot: Chroot) -> Self {
        Self::start_with(dir, &format!("smtpd_recipient_restrictions = {restrictions}\n"), chroot)
    }

    /// Starts what was prepared, with these lines of `main.cf`.
    pub(crate) fn start_with(dir: TempDir, lines: &str, chroot: Chroot) -> Self {
        let conf = dir.path().join("conf");
        let smtp = free_port();
        let flag = if chroot == Chroot::Yes { 'y' } else { 'n' };
        let main = fs::read_to_string(conf.join("main.cf")).unwrap();
        fs::write(conf.join("main.cf"), main + lines).unwrap();
        fs::write(conf.join("master.cf"), format!("{smtp} inet n - {flag} - - smtpd\n{MASTER_CF}")).unwrap();
        check(&conf);

        let programs = Command::new(tool("postconf").unwrap()).args(["-hd", "daemon_directory"]).output().unwrap();
        let programs = PathBuf::from(String::from_utf8(programs.stdout).unwrap().trim());
        let mut command = Command::new(programs.join("master"));
        command.args(["-d", "-c"]).arg(&conf).stdout(Stdio::null()).stderr(Stdio::null());
        let mut postfix = Self { master: Guarded::spawn(&mut command), dir, smtp };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(smtp).is_err() {
            let ended = postfix.master.ended();
            assert!(ended.is_none() && Instant::now() < deadline, "no Postfix ({ended:?}):\n{}", postfix.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        postfix
    }

    /// Where it speaks SMTP.
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The messages delivered to the mailbox of this user of `customer.test`, waiting until there are `count`.
    pub(crate) fn delivered(&self, user: &str, count: usize) -> Vec<String> {
        let mailbox = self.dir.path().join("mail").join(user).join("new");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let files: Vec<_> = fs::read_dir(&mailbox).into_iter().flatten().map(|file| file.unwrap().path()).collect();
            if files.len() >= count {
                return files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
            }
            assert!(Instant::now() < deadline, "{} of {count} messages for {user}:\n{}", files.len(), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Killed at once, master would leave its own children to find out for themselves.
        self.master.signal(Signal::SIGTERM);
        self.master.wait(Duration::from_secs(5));
    }
}

/// `postfix check`, which has nothing to say.
fn check(conf: &Path) {
    let output = Command::new(tool("postfix").unwrap()).arg("-c").arg(conf).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("unused parameter"), "postfix check: {said}");
}

fn main_cf(dir: &Path, mail_owner: u32) -> String {
    format!(
        "compatibility_level = 3.6
config_directory = {dir}/conf
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = mx.customer.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = all
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_policy_service_try_limit = 2
alias_maps =
virtual_mailbox_domains = customer.test
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = inline:{{ bob@customer.test=bob/, carol@customer.test=carol/, dave@customer.test=dave/ }}
virtual_uid_maps = static:{mail_owner}
virtual_gid_maps = static:{mail_owner}
virtual_minimum_uid = 1
",
        dir = dir.display()
    )
}

/// Every service but smtpd.
const MASTER_CF: &str = "\
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
error unix - - y - - error
retry unix - - y - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - y - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";
