//! Kernels that lack something, by a filter of system calls that a command and its children live under.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::libc;

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K` and `BPF_RET | BPF_K` (`linux/bpf_common.h`).
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Where `struct seccomp_data` has the number of the call and the low half of an argument.
const NUMBER: u32 = 0;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// `NETLINK_NETFILTER`.
const NETFILTER: u32 = 12;

/// Has the command find a kernel without nftables: sockets of the kind are of a protocol that is not supported.
pub fn without_nftables(command: &mut Command) {
    const INSTRUCTION: libc::sock_filter = libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 };
    let load = |k| libc::sock_filter { code: LOAD, k, ..INSTRUCTION };
    // Not equal: on to the last instruction, which lets the call pass.
    let unless = |k, skip| libc::sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: skip, k };
    let then = |k| libc::sock_filter { code: RETURN, k, ..INSTRUCTION };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT.cast_unsigned();
    let mut program = [
        load(NUMBER),
        unless(u32::try_from(libc::SYS_socket).unwrap_or(u32::MAX), 5),
        load(argument(0)),
        unless(libc::AF_NETLINK.cast_unsigned(), 3),
        load(argument(2)),
        unless(NETFILTER, 1),
        then(refused),
        then(libc::SECCOMP_RET_ALLOW),
    ];
    let enter = move || {
        let filter = libc::sock_fprog { len: 8, filter: program.as_mut_ptr() };
        // SAFETY: the filter and its program outlive the call, which copies them.
        let answer =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
        if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec one system call is made; nothing is allocated and no lock taken.
    unsafe { command.pre_exec(enter) };
}
