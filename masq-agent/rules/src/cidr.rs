//! Ranges of addresses, as strict as Go's `net.ParseCIDR` with host bits forbidden, which is what upstream takes.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Neither `ADDRESS/LENGTH`.
    #[error("CIDR {text:?} could not be parsed: wanted ADDRESS/LENGTH, as 10.0.0.0/8")]
    Syntax {
        /// The text.
        text: String,
    },
    /// An address inside a range instead of the range.
    #[error("CIDR {text:?} is not aligned to a CIDR block: it has host bits set, the block is {block}")]
    HostBits {
        /// The text.
        text: String,
        /// The range that the address is in.
        block: IpNet,
    },
    /// `::ffff:0:0/96` and what is in it: iptables would take it for IPv4, with a length that it does not know.
    #[error("CIDR {text:?} is IPv4 written as IPv6: write it as IPv4")]
    Mapped {
        /// The text.
        text: String,
    },
}

/// Reads one range.
pub fn parse(text: &str) -> Result<IpNet, CidrError> {
    let syntax = || CidrError::Syntax { text: text.to_owned() };
    let (address, length) = text.split_once('/').ok_or_else(syntax)?;
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(syntax());
    }
    let address: IpAddr = address.parse().ok().ok_or_else(syntax)?;
    let net = length.parse().ok().and_then(|length| IpNet::new(address, length).ok()).ok_or_else(syntax)?;
    if net.trunc() != net {
        return Err(CidrError::HostBits { text: text.to_owned(), block: net.trunc() });
    }
    match net {
        IpNet::V6(v6) if is_mapped(v6.addr(), v6.prefix_len()) => {
            Err(CidrError::Mapped { text: text.to_owned() })
        }
        _ => Ok(net),
    }
}

fn is_mapped(address: Ipv6Addr, length: u8) -> bool {
    length >= 96 && address.to_ipv4_mapped().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for text in ["10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "fd00::/8", "::/0", "2001:db8::1/128"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_upstream_refuses_is_refused() {
        let bad = [
            "",
            "10.0.0.0",
            "10.0.0.1/8",
            " 10.0.0.0/8",
            "10.0.0.0/8 ",
            "010.0.0.0/8",
            "10.0.0.0/33",
            "10.0.0/8",
            "256.0.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/-8",
            "10.0.0.0/",
            "/8",
            "fd00::1/8",
            "fe80::%1/64",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ipv4_written_as_ipv6_is_refused() {
        let error = parse("::ffff:10.0.0.0/104").unwrap_err();
        assert!(matches!(error, CidrError::Mapped { .. }), "{error}");
    }
}
