//! Word of changes to the kernel's routes, from the multicast groups of rtnetlink.
//!
//! On a busy node most of it is about pods' own addresses, which are no concern of ours. A link that goes down takes its
//! routes of IPv4 along without a word; it is heard of when it is back, by the route to its subnet.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
    sockopt,
};
use podnet_datapath::TableRoute;
use podnet_datapath::netlink::messages;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::plan::PROTOCOL;

/// `RTMGRP_IPV4_ROUTE` and `RTMGRP_IPV6_ROUTE` (linux/rtnetlink.h).
const GROUPS: u32 = 0x40 | 0x400;
/// `RTM_NEWROUTE` and `RTM_DELROUTE`.
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
/// Bytes of messages that the socket holds: some thousand changes at once.
const ROOM: usize = 1 << 20;
/// The kernel tells each change by itself, in a few hundred bytes.
const LARGEST: usize = 16 << 10;

/// A socket that hears of changes.
#[derive(Debug)]
pub(super) struct Monitor {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Starts to listen. Changes from now on are heard of.
    pub(super) fn new() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        // Less room than asked for means a needless look now and then.
        setsockopt(&socket, sockopt::RcvBuf, &ROOM).ok();
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        #[expect(unsafe_code, reason = "what AsyncFd asks for cannot be said in types")]
        // SAFETY: an `OwnedFd` owns its descriptor and never replaces it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { socket, buffer: vec![0; LARGEST] })
    }

    /// Waits until something has changed that may concern the routes to other nodes' pods. May be dropped and asked again
    /// at any time.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            let mut is_concerned = false;
            // All that is there, so that a burst is one change.
            loop {
                match recv(ready.get_inner().as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                    Ok(length) => is_concerned |= concerns(self.buffer.get(..length).unwrap_or_default()),
                    Err(Errno::EAGAIN) => break,
                    Err(Errno::EINTR) => {}
                    // The kernel had more to say than the socket holds: anything may have changed.
                    Err(Errno::ENOBUFS) => is_concerned = true,
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if is_concerned {
                return Ok(());
            }
        }
    }
}

/// Whether any message is about a route that could be ours, in its way, or a way to another node. One of ours that appears
/// is our own doing.
fn concerns(datagram: &[u8]) -> bool {
    messages(datagram).filter_map(Result::ok).any(|message| {
        let route = match message.kind {
            NEW_ROUTE | DEL_ROUTE => TableRoute::parse(message.body),
            _ => None,
        };
        route.is_some_and(|route| match (route.protocol == PROTOCOL, message.kind) {
            (true, kind) => kind == DEL_ROUTE,
            (false, _) => route.dst.prefix_len() != route.dst.max_prefix_len(),
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message about 10.9.9.0, to which `length` is the prefix length, over link 6.
    fn message(kind: u16, length: u8, table: u8, protocol: u8, route_type: u8) -> Vec<u8> {
        let body = [
            &[2, length, 0, 0, table, protocol, 0, route_type, 0, 0, 0, 0][..],
            &[8, 0, 1, 0, 10, 9, 9, 0, 8, 0, 4, 0, 6, 0, 0, 0],
        ]
        .concat();
        let mut bytes = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn only_what_may_concern_the_routes_is_heard() {
        for (kind, length, table, protocol, route_type, expected) in [
            (DEL_ROUTE, 24, 254, PROTOCOL, 1, true),
            (NEW_ROUTE, 24, 254, PROTOCOL, 1, false),
            (NEW_ROUTE, 24, 254, 4, 1, true),
            (DEL_ROUTE, 24, 254, 2, 1, true),
            // A pod's address, the table of local addresses, a broadcast address, a link.
            (NEW_ROUTE, 32, 254, 3, 1, false),
            (NEW_ROUTE, 24, 255, 2, 1, false),
            (NEW_ROUTE, 24, 254, 2, 3, false),
            (16, 24, 254, 2, 1, false),
        ] {
            let bytes = message(kind, length, table, protocol, route_type);
            assert_eq!(concerns(&bytes), expected, "{kind} {length} {table} {protocol} {route_type}");
        }
    }

    #[test]
    fn a_burst_is_read_to_its_end() {
        let pod = message(NEW_ROUTE, 32, 254, 3, 1);
        assert!(concerns(&[pod.clone(), pod, message(DEL_ROUTE, 24, 254, PROTOCOL, 1)].concat()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            concerns(&bytes);
        }
    }
}
