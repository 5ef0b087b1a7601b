//! Addresses as people and runtimes write them in requests.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not six pairs of hexadecimal digits with `:` or `-` between them.
    #[error("{0:?} is not a MAC address")]
    Mac(String),
    /// A link cannot have the address: it is zero or a multicast address
    /// (Linux `is_valid_ether_addr`).
    #[error("{0} is not the address of one interface")]
    NotUnicast(String),
    /// Neither an address nor an address with a prefix length.
    #[error("{0:?} is not an IP address, nor one with a prefix length")]
    Ip(String),
}

/// The hardware address of one Ethernet interface; printed in lower case with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// The six bytes, in the order of transmission.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for MacAddr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Mac(text.to_owned());
        let separator = if text.contains('-') { '-' } else { ':' };
        let octet = |pair: &str| {
            let is_pair = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let octets: Vec<u8> =
            text.split(separator).map(octet).collect::<Option<_>>().ok_or_else(malformed)?;
        let octets: [u8; 6] = octets.try_into().map_err(|_wrong_length: Vec<u8>| malformed())?;
        let [first, ..] = octets;
        if octets == [0; 6] || first & 1 == 1 {
            return Err(AddressError::NotUnicast(text.to_owned()));
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for MacAddr {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.map(|octet| format!("{octet:02x}"));
        f.write_str(&pairs.join(":"))
    }
}

/// An address that a runtime asks for (`IP` of `CNI_ARGS`, the capability `ips`): with or without a
/// prefix length. The bits after the prefix are the address's and are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum RequestedIp {
    /// `10.0.0.5`: the prefix length is that of the range it lies in.
    Address(IpAddr),
    /// `10.0.0.5/24`.
    WithPrefix(IpNet),
}

impl RequestedIp {
    /// The address alone.
    pub fn address(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::WithPrefix(net) => net.addr(),
        }
    }
}

impl FromStr for RequestedIp {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = text.parse().map(Self::Address).ok();
        let with_prefix = || text.parse().map(Self::WithPrefix).ok();
        address.or_else(with_prefix).ok_or_else(|| AddressError::Ip(text.to_owned()))
    }
}

impl TryFrom<String> for RequestedIp {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for RequestedIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::WithPrefix(net) => net.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses() {
        let mac: MacAddr = "02-11-22-33-44-Ff".parse().unwrap();
        assert_eq!(mac.octets(), [0x02, 0x11, 0x22, 0x33, 0x44, 0xff]);
        assert_eq!(mac.to_string(), "02:11:22:33:44:ff");
        for bad in [
            "",
            "02:11:22:33:44",
            "02:11:22:33:44:55:66",
            "2:11:22:33:44:55",
            "02:11:22:33:44:+5",
            "02:11-22",
        ] {
            assert_eq!(bad.parse::<MacAddr>(), Err(AddressError::Mac(bad.to_owned())));
        }
        for bad in ["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"] {
            assert_eq!(bad.parse::<MacAddr>(), Err(AddressError::NotUnicast(bad.to_owned())));
        }
    }

    #[test]
    fn requested_addresses() {
        for (text, address) in
            [("10.0.0.5", "10.0.0.5"), ("10.0.0.5/24", "10.0.0.5"), ("2001:db8::1/64", "2001:db8::1")]
        {
            let ip: RequestedIp = text.parse().unwrap();
            assert_eq!((ip.address().to_string(), ip.to_string()), (address.to_owned(), text.to_owned()));
        }
        for bad in ["", "10.0.0", "10.0.0.5/33", "10.0.0.5/", " 10.0.0.5"] {
            assert_eq!(bad.parse::<RequestedIp>(), Err(AddressError::Ip(bad.to_owned())));
        }
    }
}
