//! How fast a pod may send and receive.

use std::fmt;

use ipnet::IpNet;

/// The longest that a packet waits in a full queue whose bucket is empty, on top of what the burst takes.
const LATENCY_MILLISECONDS: u64 = 25;

/// Bytes of an Ethernet header (RFC 894), which count against a bucket.
const ETHERNET_HEADER: u32 = 14;

/// A pod's limits. What has none costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shaping {
    /// What the pod receives.
    pub ingress: Option<TokenBucket>,
    /// What the pod sends.
    pub egress: Option<TokenBucket>,
    /// Whom it sends to and receives from.
    pub peers: Peers,
}

/// With whom a pod's traffic is limited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Peers {
    /// With everybody.
    #[default]
    All,
    /// With these alone. What is no IP packet is not limited.
    Only(Vec<IpNet>),
    /// With all but these.
    AllBut(Vec<IpNet>),
}

/// A token bucket: the rate that it fills at, and the most that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// Bytes a second, at least 1; Ethernet headers count.
    pub rate: u64,
    /// Bytes that may pass at once after a silence.
    pub burst: u32,
}

impl TokenBucket {
    /// The bucket for links of this MTU. A packet that is larger than the bucket never passes, so that it has to
    /// hold at least one.
    pub(crate) fn for_mtu(self, mtu: u32) -> Self {
        Self { burst: self.burst.max(mtu.saturating_add(ETHERNET_HEADER)), ..self }
    }

    /// The bytes that may wait; what comes on top is dropped. As the reference bandwidth plugin has it.
    pub(crate) fn queue(self) -> u32 {
        let waiting = u128::from(self.rate) * u128::from(LATENCY_MILLISECONDS) / 1000;
        u32::try_from(waiting + u128::from(self.burst)).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for TokenBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes/s with bursts of {} bytes", self.rate, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_packet_and_a_queue_a_burst_and_25_milliseconds() {
        let small = TokenBucket { rate: 1_250_000, burst: 1000 };
        assert_eq!(small.for_mtu(1500), TokenBucket { burst: 1514, ..small });
        let large = TokenBucket { burst: 32_768, ..small };
        assert_eq!(large.for_mtu(1500), large);
        assert_eq!(large.queue(), 32_768 + 31_250);
        assert_eq!(TokenBucket { rate: u64::MAX, burst: u32::MAX }.queue(), u32::MAX);
    }
}
