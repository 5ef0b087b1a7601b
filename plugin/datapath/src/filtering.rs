//! Whether frames between ports of a bridge pass the rules of IP: `br_netfilter`.

use std::fs;

use crate::{Families, SysctlError, sysctl};

/// The families whose frames pass them in the calling thread's namespace. Where `br_netfilter` is not loaded, there is
/// no parameter, and none does. Bridges can be told one by one too; that is not looked at.
pub fn filtered_families(wanted: Families) -> Result<Families, SysctlError> {
    Ok(Families {
        ipv4: wanted.ipv4 && is_on("bridge/bridge-nf-call-iptables")?,
        ipv6: wanted.ipv6 && is_on("bridge/bridge-nf-call-ip6tables")?,
    })
}

fn is_on(parameter: &str) -> Result<bool, SysctlError> {
    Ok(sysctl::parameter(parameter)?.is_some_and(|value| value == "1"))
}

/// Whether this kernel keeps from the node what a promiscuous bridge takes for it besides: since Linux 6.8
/// (`br_netfilter: skip conntrack input hook for promisc packets`) a pod no longer reaches itself that way.
pub fn promiscuity_is_no_hairpin() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    is_at_least(&release, (6, 8))
}

fn is_at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|digits| digits.parse().ok());
    numbers.next().zip(numbers.next()).is_some_and(|found| found >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        for (release, expected) in [
            ("6.8.0-1018-azure", true),
            ("6.18.44", true),
            ("10.0", true),
            ("6.7.12", false),
            ("5.15.0-1", false),
            ("", false),
            ("6", false),
        ] {
            assert_eq!(is_at_least(release, (6, 8)), expected, "{release}");
        }
    }
}
