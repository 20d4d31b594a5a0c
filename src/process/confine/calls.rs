//! seccomp: the system calls that a daemon at work makes. Any other one fails with EPERM: mail flows on, and the log shows what could
//! not be done.

use std::collections::BTreeMap;

use nix::libc::{self, c_int, c_long};
use seccompiler::{
    BpfProgram, Error, SeccompAction as Action, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Whatever Rust's and the C library's allocator, threads, time and end of a process need.
const RUNTIME: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_prctl,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_uname,
];

/// Signals that end it, or have it reload; the timer of the end when the disk fails.
const SIGNALS: &[c_long] = &[
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_setitimer,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_signalfd4,
];

/// Sockets, pipes and event loops.
const SOCKETS: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_close,
    libc::SYS_connect,
    libc::SYS_chdir,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_fcntl,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_ioctl,
    libc::SYS_listen,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socket,
    libc::SYS_socketpair,
];

/// The state, the whitelists, the log.
const FILES: &[c_long] = &[
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_msync,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_renameat2,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What the C library calls where newer machines have only newer forms.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_pause,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_stat,
    libc::SYS_unlink,
];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[libc::SYS_renameat];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLDER: &[c_long] = &[];

/// A process that has one to itself has all capabilities in it.
const NAMESPACES: c_int = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// From now on no other call succeeds.
pub(super) fn confine() -> Result<(), Error> {
    filters()?.iter().try_for_each(|filter| seccompiler::apply_filter(filter))
}

/// A call has to pass both.
fn filters() -> Result<[BpfProgram; 2], Error> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    // What clone3 is asked for lies in memory, where no filter sees it: the C library then takes clone.
    let clone3 = [(libc::SYS_clone3, Vec::new())].into();
    let absent = Action::Errno(libc::ENOSYS.unsigned_abs());
    let without_clone3 = SeccompFilter::new(clone3, Action::Allow, absent, machine)?;

    let all = [RUNTIME, SIGNALS, SOCKETS, FILES, OLDER].concat();
    let mut rules: BTreeMap<i64, _> = all.into_iter().map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, only(0, libc::CLONE_THREAD | NAMESPACES, libc::CLONE_THREAD)?);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, only(0, -1, libc::AF_UNIX)?);
    }
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, only(2, libc::PROT_EXEC, 0)?);
    }
    let refused = Action::Errno(libc::EPERM.unsigned_abs());
    let listed = SeccompFilter::new(rules, refused, Action::Allow, machine)?;
    Ok([without_clone3.try_into()?, listed.try_into()?])
}

/// Passes if these bits of an argument, of which the kernel takes 32, have this value.
fn only(argument: u8, bits: c_int, value: c_int) -> Result<Vec<SeccompRule>, Error> {
    let [bits, value] = [bits, value].map(|number| u64::from(number.cast_unsigned()));
    let condition = SeccompCondition::new(argument, Length::Dword, Compare::MaskedEq(bits), value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use nix::sys::prctl::set_no_new_privs;

    use super::*;

    const ALLOWED: u32 = 0x7fff_0000;
    const FAILS: u32 = 0x0005_0000;

    /// What the kernel answers with these filters: each is run on the call, and the harshest action counts.
    fn answer(call: c_long, arguments: [c_int; 3]) -> u32 {
        filters().unwrap().iter().map(|filter| run(filter, call, arguments)).min().unwrap()
    }

    fn run(filter: &BpfProgram, call: c_long, arguments: [c_int; 3]) -> u32 {
        // The machine is the one that the filter begins by asking for.
        let mut data = [call, filter[1].k.into(), 0].map(|number| u32::try_from(number).unwrap()).to_vec();
        data.push(0);
        data.extend(arguments.into_iter().flat_map(|argument| [argument.cast_unsigned(), 0]));
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &filter[at];
            let jump = |condition| usize::from(if condition { step.jt } else { step.jf });
            at += 1;
            match u32::from(step.code) {
                0x20 => value = data[step.k as usize / 4],
                0x54 => value &= step.k,
                0x05 => at += step.k as usize,
                0x15 => at += jump(value == step.k),
                0x25 => at += jump(value > step.k),
                0x35 => at += jump(value >= step.k),
                0x06 => return step.k,
                code => panic!("no instruction that is known: {code:#x}"),
            }
        }
    }

    #[test]
    fn threads_may_be_started_but_no_processes_or_namespaces() {
        let refused = FAILS | libc::EPERM.unsigned_abs();
        let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
        assert_eq!(answer(libc::SYS_clone, [thread, 0, 0]), ALLOWED);
        assert_eq!(answer(libc::SYS_clone, [libc::SIGCHLD, 0, 0]), refused);
        for namespace in (0..31).map(|bit| 1 << bit).filter(|bit| NAMESPACES & bit != 0) {
            assert_eq!(answer(libc::SYS_clone, [libc::CLONE_VM | namespace, 0, 0]), refused, "{namespace:#x}");
            assert_eq!(answer(libc::SYS_clone, [thread | namespace, 0, 0]), refused, "{namespace:#x}");
        }
        assert_eq!(answer(libc::SYS_clone3, [0, 0, 0]), FAILS | libc::ENOSYS.unsigned_abs());
        assert_eq!(answer(libc::SYS_unshare, [libc::CLONE_NEWUSER, 0, 0]), refused);
    }

    #[test]
    fn new_sockets_are_unix_sockets() {
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            assert_eq!(answer(call, [libc::AF_UNIX, libc::SOCK_DGRAM, 0]), ALLOWED);
            for family in
                [libc::AF_UNSPEC, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_ALG, libc::AF_VSOCK]
            {
                assert_eq!(answer(call, [family, libc::SOCK_STREAM, 0]), FAILS | libc::EPERM.unsigned_abs());
            }
        }
    }

    /// The kernel has the same opinion, and the C library gets on with it.
    #[test]
    fn what_is_left_works() {
        let confined = thread::spawn(|| {
            set_no_new_privs().unwrap();
            confine().unwrap();
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap_err();
            (tcp.raw_os_error(), UnixStream::pair().is_ok(), thread::spawn(|| 7).join().unwrap())
        });
        assert_eq!(confined.join().unwrap(), (Some(libc::EPERM), true, 7));
    }

    #[test]
    fn no_memory_becomes_a_program() {
        let data = libc::PROT_READ | libc::PROT_WRITE;
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            assert_eq!(answer(call, [0, 4096, data]), ALLOWED);
            assert_eq!(answer(call, [0, 4096, data | libc::PROT_EXEC]), FAILS | libc::EPERM.unsigned_abs());
        }
    }
}
