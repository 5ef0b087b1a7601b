//! The source ports that masqueraded connections may get: `--to-ports`.

use std::fmt;
use std::str::FromStr;

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    first: u16,
    last: u16,
}

/// Intervals in the order given; none: any port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(Vec<Interval>);

/// Why a text is no list of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// Neither `N` nor `N-M`, with numbers from 1 to 65535.
    #[error("{item:?} is neither a port nor a range of ports, as 1024-29999")]
    Syntax {
        /// The item of the list.
        item: String,
    },
    /// The end before the beginning.
    #[error("the range of ports {item:?} ends before it begins")]
    Backwards {
        /// The item of the list.
        item: String,
    },
}

impl Interval {
    /// How many ports, 1 to 65535.
    pub fn size(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }
}

impl fmt::Display for Interval {
    /// As iptables prints it: a single port without a dash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Ports {
    /// Each interval with the number of ports that are in it and in those after it: its share is its size out of these.
    pub fn shares(&self) -> impl Iterator<Item = (Interval, u32)> + '_ {
        let total = self.0.iter().map(|interval| interval.size()).sum::<u32>();
        self.0.iter().scan(total, |left, interval| {
            let remaining = *left;
            *left -= interval.size();
            Some((*interval, remaining))
        })
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.split(',').map(interval).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, interval) in self.0.iter().enumerate() {
            write!(f, "{}{interval}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn interval(item: &str) -> Result<Interval, PortsError> {
    let syntax = || PortsError::Syntax { item: item.to_owned() };
    let port = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { text.parse::<u16>().ok() } else { None };
        number.filter(|port| *port != 0).ok_or_else(syntax)
    };
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let (first, last) = (port(first)?, port(last)?);
    if last < first {
        return Err(PortsError::Backwards { item: item.to_owned() });
    }
    Ok(Interval { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_printed() {
        for text in ["", "80", "1024-29999,32768-65535", "5,7,9-10"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        assert_eq!("80-80".parse::<Ports>().unwrap().to_string(), "80");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["-1", "1-", "a", "1, 2", "2-1", "65536", "1--2", "0", ",", "+1", "1-2-3"] {
            assert!(text.parse::<Ports>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn shares_are_out_of_what_is_left() {
        let ports: Ports = "1-10,11-40,50".parse().unwrap();
        let shares: Vec<_> = ports.shares().map(|(interval, left)| (interval.size(), left)).collect();
        assert_eq!(shares, [(10, 41), (30, 31), (1, 1)]);
    }
}
