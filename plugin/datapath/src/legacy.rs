//! The rules of the old iptables, which nftables does not show: how many there are, and what becomes of forwarded packets
//! that none decides about.
//!
//! Sources: Linux `include/uapi/linux/netfilter/x_tables.h`, `netfilter_ipv4/ip_tables.h`, `netfilter_ipv6/ip6_tables.h`.

use std::{fs, io, os::fd::AsRawFd};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
};

/// A table that has been used since boot; asking for another would make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyTable {
    /// Whether it is one of IPv4.
    pub is_ipv4: bool,
    /// The name, for example `filter`.
    pub name: String,
    /// How many rules people and programs put there.
    pub rules: u32,
    /// Whether forwarded packets that no rule decides about are dropped.
    pub drops_forwarded: bool,
}

/// Why the tables could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the iptables table {table} of {}", if *.is_ipv4 { "IPv4" } else { "IPv6" })]
pub struct LegacyError {
    is_ipv4: bool,
    table: String,
    #[source]
    source: io::Error,
}

/// Where a family's numbers lie.
struct Family {
    is_ipv4: bool,
    names: &'static str,
    address: AddressFamily,
    level: libc::c_int,
    /// Where `target_offset` is in `struct ipt_entry` or `struct ip6t_entry`.
    target_offset: usize,
}

const FAMILIES: [Family; 2] = [
    Family {
        is_ipv4: true,
        names: "/proc/thread-self/net/ip_tables_names",
        address: AddressFamily::Inet,
        level: libc::IPPROTO_IP,
        target_offset: 88,
    },
    Family {
        is_ipv4: false,
        names: "/proc/thread-self/net/ip6_tables_names",
        address: AddressFamily::Inet6,
        level: libc::IPPROTO_IPV6,
        target_offset: 140,
    },
];

/// `IPT_SO_GET_INFO`, and the bytes of `struct ipt_getinfo`.
const GET_INFO: libc::c_int = 64;
const INFO: usize = 84;
/// `IPT_SO_GET_ENTRIES`, and the bytes of `struct ipt_get_entries` before the entries.
const GET_ENTRIES: libc::c_int = 65;
const ENTRIES: usize = 40;
/// The bytes of a table's name.
const NAME: usize = 32;
/// The bytes of `struct xt_entry_target`, behind which a verdict is.
const TARGET: usize = 32;
/// `NF_INET_FORWARD`.
const FORWARD: usize = 2;
/// `-NF_DROP - 1`: how a verdict says it.
const DROP: i32 = -1;

/// The tables of this namespace; none on a kernel without the old iptables.
pub fn legacy_tables() -> Result<Vec<LegacyTable>, LegacyError> {
    let mut tables = Vec::new();
    for family in &FAMILIES {
        let names = fs::read_to_string(family.names).unwrap_or_default();
        for name in names.lines() {
            let table = read(family, name).map_err(|source| LegacyError {
                is_ipv4: family.is_ipv4,
                table: name.to_owned(),
                source,
            })?;
            tables.push(table);
        }
    }
    Ok(tables)
}

fn read(family: &Family, name: &str) -> io::Result<LegacyTable> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(family.address, SockType::Raw, flags, SockProtocol::Raw)?;
    let mut info = named(name, INFO);
    get(&socket, family.level, GET_INFO, &mut info)?;
    let info = Info::parse(&info).ok_or(io::ErrorKind::InvalidData)?;
    let mut entries = named(name, ENTRIES + info.size);
    if let (Some(field), Ok(size)) = (entries.get_mut(NAME..NAME + 4), u32::try_from(info.size)) {
        field.copy_from_slice(&size.to_ne_bytes());
    }
    get(&socket, family.level, GET_ENTRIES, &mut entries)?;
    let policy =
        info.forward_policy.and_then(|at| verdict(entries.get(ENTRIES + at..)?, family.target_offset));
    Ok(LegacyTable {
        is_ipv4: family.is_ipv4,
        name: name.to_owned(),
        rules: info.rules,
        drops_forwarded: policy == Some(DROP),
    })
}

/// A buffer that begins with a table's name.
fn named(name: &str, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    // One byte less: the name ends in NUL.
    for (to, from) in buffer.iter_mut().take(NAME - 1).zip(name.bytes()) {
        *to = from;
    }
    buffer
}

fn get(socket: &impl AsRawFd, level: libc::c_int, option: libc::c_int, buffer: &mut [u8]) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: pointer and length are those of a live, exclusively borrowed buffer, of which the kernel writes no more.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, option, buffer.as_mut_ptr().cast(), &raw mut length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct ipt_getinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Info {
    /// Where the entry with the policy of forwarded packets begins, where the table sees these.
    forward_policy: Option<usize>,
    /// Those of the table's own (a policy for each hook, and the end) not counted.
    rules: u32,
    /// Bytes of all entries.
    size: usize,
}

impl Info {
    fn parse(bytes: &[u8]) -> Option<Self> {
        const HOOKS: usize = 5;
        let number = |index: usize| {
            let at = NAME + 4 * index;
            Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
        };
        // valid_hooks, hook_entry[5], underflow[5], num_entries, size.
        let valid_hooks = number(0)?;
        let underflow = number(1 + HOOKS + FORWARD)?;
        let entries = number(1 + 2 * HOOKS)?;
        let size = number(2 + 2 * HOOKS)?;
        let sees_forwarded = valid_hooks & (1 << FORWARD) != 0;
        Some(Self {
            forward_policy: usize::try_from(underflow).ok().filter(|_| sees_forwarded),
            rules: entries.saturating_sub(valid_hooks.count_ones() + 1),
            size: usize::try_from(size).ok()?,
        })
    }
}

/// The verdict of an entry whose target is the standard one.
fn verdict(entry: &[u8], target_offset: usize) -> Option<i32> {
    let offset = u16::from_ne_bytes(*entry.get(target_offset..)?.first_chunk()?);
    let target = entry.get(usize::from(offset)..)?;
    Some(i32::from_ne_bytes(*target.get(TARGET..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_where_its_policy_is_and_how_many_rules_it_has() {
        // filter: hooks 1 to 3; policies at 0, 152, 304; six entries, of which four are the table's own.
        let numbers: [u32; 13] = [0b1110, 0, 0, 152, 304, 0, 0, 0, 152, 304, 0, 6, 936];
        let mut bytes = named("filter", NAME);
        bytes.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        let info = Info { forward_policy: Some(152), rules: 2, size: 936 };
        assert_eq!(Info::parse(&bytes), Some(info));
        assert_eq!(Info::parse(&bytes[..80]), None);
    }

    #[test]
    fn a_verdict_is_behind_its_target() {
        let mut entry = vec![0; 112];
        entry[88..90].copy_from_slice(&112_u16.to_ne_bytes());
        entry.extend([0; TARGET]);
        entry.extend(DROP.to_ne_bytes());
        assert_eq!(verdict(&entry, 88), Some(DROP));
        assert_eq!(verdict(&entry[..140], 88), None);
    }
}
