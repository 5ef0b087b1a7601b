//! Who may ask: root, by the unix socket or by loopback TCP, and the users that the configuration names.
//!
//! A unix socket's peer is known from the kernel. A TCP peer is whoever owns the other end of the connection, which is
//! in this network namespace since the address is a loopback one: the kernel is asked by `sock_diag`(7).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use hyper::header::HOST;
use hyper::{HeaderMap, Uri};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use podnet_daemon_kit::http::Peer;

/// Whether a peer may ask; the reason where it may not.
pub(super) fn admit(peer: &Peer, allow_uids: &[u32]) -> Result<(), String> {
    match peer {
        Peer::Unix { uid: 0 } => Ok(()),
        Peer::Unix { uid } => Err(format!("uid {uid} may not use this socket, only root")),
        Peer::Tcp { remote, local } => match owner(*remote, *local) {
            Ok(uid) if uid == 0 || allow_uids.contains(&uid) => Ok(()),
            Ok(uid) => Err(format!("uid {uid} may not use this address: only root, and listen.allowUids")),
            Err(error) => Err(format!("nobody is known to own {remote}: {error}")),
        },
    }
}

/// Refuses a request that a browser was led to send here under another name (DNS rebinding).
pub(super) fn is_for_us(uri: &Uri, headers: &HeaderMap) -> bool {
    let header = headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    let host = uri.authority().map(hyper::http::uri::Authority::as_str).or(header);
    host.is_none_or(is_loopback_name)
}

fn is_loopback_name(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() && (!name.contains(':') || name.ends_with(']')) => {
            name
        }
        _ => host,
    };
    let bare = without_port.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `SOCK_DIAG_BY_FAMILY`, `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`, linux/netlink.h.
const REQUEST: u16 = 1;
/// `TCP_LISTEN`, `net/tcp_states.h`.
const LISTENING: u8 = 10;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `struct nlmsghdr` and `struct inet_diag_req_v2`, `linux/inet_diag.h`.
const HEADER: usize = 16;
const QUESTION: u32 = 16 + 56;

/// The user who owns the socket whose own address is `own` and whose peer is `peer`.
fn owner(own: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let netlink = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?;
    let question = question(own, peer);
    sendto(netlink.as_raw_fd(), &question, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    // The kernel has answered by the time sendto(2) returns.
    let mut answer = [0; 512];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    read_answer(answer.get(..length).unwrap_or_default(), own, peer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the kernel knows no such connection"))
}

fn question(own: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let family = if own.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut bytes = Vec::new();
    bytes.extend(QUESTION.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family as u8, TCP, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(own.port().to_be_bytes());
    bytes.extend(peer.port().to_be_bytes());
    bytes.extend(padded(own.ip()));
    bytes.extend(padded(peer.ip()));
    bytes.extend(0_u32.to_ne_bytes());
    // INET_DIAG_NOCOOKIE, twice.
    bytes.extend([0xff; 8]);
    bytes
}

/// An address as `struct inet_diag_sockid` has it: 16 bytes, an IPv4 address first.
fn padded(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// The uid in a `struct inet_diag_msg` that is about this very connection.
fn read_answer(answer: &[u8], own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let body = answer.get(HEADER..)?;
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let is_it = kind == BY_FAMILY
        && *body.get(1)? != LISTENING
        && port(4)? == own.port()
        && port(6)? == peer.port()
        && body.get(8..24)? == padded(own.ip())
        && body.get(24..40)? == padded(peer.ip());
    let uid = u32::from_ne_bytes(body.get(64..68)?.try_into().ok()?);
    is_it.then_some(uid)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_owner_of_the_other_end_is_known_while_it_is_open() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (served, remote) = listener.accept().unwrap();
            let local = served.local_addr().unwrap();
            assert_eq!(owner(remote, local).unwrap(), nix::unistd::geteuid().as_raw(), "{address}");
            let stranger = SocketAddr::new(remote.ip(), 1);
            assert!(owner(stranger, local).is_err(), "nobody has port 1");
            // The listener is not the owner of a connection that is not there.
            assert!(owner(local, stranger).is_err());
            drop(client);
        }
    }

    #[test]
    fn only_root_and_those_who_are_named_are_admitted() {
        assert!(admit(&Peer::Unix { uid: 0 }, &[]).is_ok());
        assert!(
            admit(&Peer::Unix { uid: 1000 }, &[1000]).is_err(),
            "the socket is root's whatever TCP allows"
        );
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert!(admit(&Peer::Tcp { remote: address, local: address }, &[0]).is_err());
    }

    #[test]
    fn foreign_names_are_told_from_ours() {
        for ours in ["localhost", "LOCALHOST:10090", "127.0.0.1:10090", "127.1.2.3", "[::1]:10090", "::1"] {
            assert!(is_loopback_name(ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "evil.example:10090",
            "10.224.0.4:10090",
            "localhost.evil.example",
            "",
            "[::2]:1",
        ] {
            assert!(!is_loopback_name(foreign), "{foreign}");
        }
    }
}
