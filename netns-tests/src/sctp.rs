//! SCTP (RFC 9260) by crafted packets: a kernel without SCTP sockets tracks and translates it all the same.
//!
//! An association begins with INIT, which INIT ACK answers. Raw sockets of the protocol send and receive both; what is left of
//! SCTP is their ports and the checksum, which translation has to write anew.

use std::net::{IpAddr, UdpSocket};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use nix::libc;

use crate::failure::{Context as _, Failure};
use crate::netns::Place;
use crate::{ensure, ensure_eq};

const PROTOCOL: libc::c_int = 132;
const PATIENCE: Duration = Duration::from_millis(700);

/// Bytes of the common header.
const HEADER: usize = 12;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
/// The tags that both sides choose for the packets that they want to get.
const CLIENTS_TAG: u32 = 0x1122_3344;
const SERVERS_TAG: u32 = 0x5566_7788;
const CLIENTS_PORT: u16 = 40_000;

/// A raw socket of the protocol; as std's socket for datagrams it has timeouts and addresses.
fn socket(place: Place<'_>, is_ipv4: bool) -> Result<UdpSocket, Failure> {
    let family = if is_ipv4 { libc::AF_INET } else { libc::AF_INET6 };
    place.inside(|| {
        // SAFETY: the call takes no pointers, and the descriptor that it returns is nobody else's.
        let descriptor = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, PROTOCOL) };
        ensure!(descriptor >= 0, "a raw SCTP socket: {}", std::io::Error::last_os_error());
        // SAFETY: as above.
        let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    })
}

/// Sends INIT from `from` to port `port` of `target`; in `to` it has to arrive at port `arrives_at`, and INIT ACK has to come
/// back from where INIT went.
pub fn associate(
    from: Place<'_>,
    (target, port): (IpAddr, u16),
    to: Place<'_>,
    arrives_at: u16,
) -> Result<IpAddr, Failure> {
    let what = format!("SCTP INIT from {from} to port {port} of {target}");
    let (client, server) = (socket(from, target.is_ipv4())?, socket(to, target.is_ipv4())?);
    client.send_to(&packet(INIT, CLIENTS_PORT, port, 0, CLIENTS_TAG), (target, 0)).doing(&what)?;
    let (init, seen) = receive(&server, INIT, &what)?;
    ensure_eq!(init.destination_port, arrives_at, "the port that {what} arrives at");
    let answer = packet(INIT_ACK, arrives_at, init.source_port, CLIENTS_TAG, SERVERS_TAG);
    server.send_to(&answer, (seen, 0)).doing(format_args!("{what}: answer to {seen}"))?;
    let (ack, source) = receive(&client, INIT_ACK, &format!("{what}: INIT ACK"))?;
    ensure_eq!((source, ack.source_port), (target, port), "where the answer to {what} comes from");
    ensure_eq!(ack.destination_port, CLIENTS_PORT, "where the answer to {what} goes to");
    Ok(seen)
}

/// The ports of a packet.
struct Ports {
    source_port: u16,
    destination_port: u16,
}

/// Waits for a packet whose first chunk is of this type; its checksum has to be right.
fn receive(socket: &UdpSocket, chunk: u8, what: &str) -> Result<(Ports, IpAddr), Failure> {
    let mut room = [0_u8; 512];
    loop {
        let (length, sender) = socket.recv_from(&mut room).doing(what)?;
        let mut packet = room.get(..length).unwrap_or_default();
        if sender.is_ipv4() {
            // A raw socket of IPv4 gives the IP header too; its length is in words of four bytes.
            let header = packet.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
            packet = packet.get(header..).unwrap_or_default();
        }
        let Some((header, chunks)) = packet.split_at_checked(HEADER) else { continue };
        if chunks.first() != Some(&chunk) {
            continue;
        }
        let &[s0, s1, d0, d1, _, _, _, _, c0, c1, c2, c3] = header else { continue };
        let mut unsigned = packet.to_vec();
        unsigned.splice(8..HEADER, [0; 4]);
        ensure_eq!(u32::from_le_bytes([c0, c1, c2, c3]), crc32c(&unsigned), "checksum of {what}");
        let ports = Ports {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
        };
        return Ok((ports, sender.ip()));
    }
}

/// INIT or INIT ACK (sections 3.3.2 and 3.3.3), which differ in the type alone.
fn packet(chunk: u8, source: u16, destination: u16, verification_tag: u32, initiate_tag: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(source.to_be_bytes());
    packet.extend(destination.to_be_bytes());
    packet.extend(verification_tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend([chunk, 0, 0, 20]);
    packet.extend(initiate_tag.to_be_bytes());
    packet.extend(65_536_u32.to_be_bytes()); // receiver window
    packet.extend([0, 1, 0, 1]); // streams out and in
    packet.extend(1_u32.to_be_bytes()); // first transmission sequence number
    let checksum = crc32c(&packet).to_le_bytes();
    packet.splice(8..HEADER, checksum);
    packet
}

/// The checksum of appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |remainder: u32| (remainder >> 1) ^ (POLYNOMIAL * (remainder & 1));
    !bytes.iter().fold(!0, |remainder, byte| (0..8).fold(remainder ^ u32::from(*byte), |r, _| step(r)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32/ISCSI.
    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
