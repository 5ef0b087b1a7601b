//! The socket: sends requests, reads answers.

use std::io::{self, ErrorKind};

use netlink_sys::{
    Socket as RawSocket, SocketAddr,
    protocols::{NETLINK_NETFILTER, NETLINK_ROUTE},
};
use nix::libc::MSG_TRUNC;
use nix::sys::socket::{setsockopt, sockopt::SndBufForce};

use super::{NetlinkError, Reply, Request, exchange::Exchange};

/// How often a dump that changes keep overtaking is tried. Each attempt is short and the kernel's counters
/// of change are coarse, so that a node under heavy churn needs a handful.
const DUMP_ATTEMPTS: u32 = 32;

/// The kernel fills dump datagrams up to the reader's buffer, 32 KiB at most (`netlink_recvmsg`); an object with the
/// largest attribute that there can be, of 64 KiB, is an answer of its own.
const BUFFER: usize = 68 * 1024;

/// A datagram up to this length fits into a send buffer as the kernel comes (`net.core.wmem_default`, 208 KiB).
const SMALL: usize = 64 * 1024;

/// A netlink family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `NETLINK_ROUTE`: links, addresses, routes.
    Route,
    /// `NETLINK_NETFILTER`: `nf_tables`.
    Netfilter,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Route => "rtnetlink",
            Self::Netfilter => "netfilter",
        }
    }
}

/// A blocking netlink socket. It stays in the network namespace that it was opened in, whichever thread
/// uses it later.
#[derive(Debug)]
pub struct Socket {
    raw: RawSocket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open(protocol: Protocol) -> Result<Self, NetlinkError> {
        let raw =
            open(protocol).map_err(|source| NetlinkError::Open { protocol: protocol.name(), source })?;
        Ok(Self { raw, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Makes one change and waits for its acknowledgement.
    pub fn execute(&mut self, request: &Request) -> Result<(), NetlinkError> {
        self.batch(std::slice::from_ref(request))
    }

    /// Sends several requests in one datagram and waits for the answers to all that ask for one.
    ///
    /// rtnetlink goes on after a request that failed, `nf_tables` takes all or nothing; either way the error
    /// is that of the first request that failed, in the order given. At least one request must ask for an
    /// acknowledgement, else success cannot be known.
    pub fn batch(&mut self, requests: &[Request]) -> Result<(), NetlinkError> {
        let exchange = Exchange::of_all(requests, self.next());
        self.carry_out(exchange)?.finish().map(drop)
    }

    /// Sends several requests in one datagram, of which rtnetlink carries out each, whatever becomes of the others, and
    /// says for each why it was refused, if it was.
    ///
    /// The kernel works a datagram off within the system call that sends it: a process that is killed has made all of
    /// the changes or none.
    pub(crate) fn try_each(
        &mut self,
        requests: &[Request],
    ) -> Result<Vec<Option<NetlinkError>>, NetlinkError> {
        let exchange = Exchange::of_each(requests, self.next());
        Ok(self.carry_out(exchange)?.refusals())
    }

    /// Asks for one object or for a dump; also makes a change whose result the kernel echoes (`NLM_F_ECHO`).
    ///
    /// A dump that a concurrent change overtook is repeated.
    pub fn query(&mut self, request: &Request) -> Result<Vec<Reply>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let exchange = Exchange::of_each(std::slice::from_ref(request), self.next());
            let exchange = self.carry_out(exchange)?;
            if !exchange.is_interrupted() {
                return exchange.finish();
            }
        }
        Err(NetlinkError::Interrupted { request: request.what().to_owned(), attempts: DUMP_ATTEMPTS })
    }

    /// The number of the next request.
    fn next(&self) -> u32 {
        self.sequence.wrapping_add(1)
    }

    fn carry_out<'a>(&mut self, mut exchange: Exchange<'a>) -> Result<Exchange<'a>, NetlinkError> {
        let requests = exchange.requests();
        let what = || requests.first().map(|request| request.what().to_owned()).unwrap_or_default();
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        self.sequence = self.sequence.wrapping_add(count);
        let datagram = exchange.datagram();
        self.make_room(datagram.len())
            .and_then(|()| retried(|| self.raw.send(&datagram, 0)))
            .map_err(|source| NetlinkError::Send { request: what(), source })?;

        while !exchange.is_over() {
            match self.receive() {
                Ok(()) => exchange.receive(&self.buffer)?,
                // The kernel dropped an answer for want of memory; a dump goes on behind the gap.
                Err(error) if is_overrun(&error) && requests.iter().all(Request::is_dump) => {
                    exchange.interrupt();
                }
                Err(source) => {
                    return Err(NetlinkError::Receive { request: what(), source });
                }
            }
        }
        Ok(exchange)
    }

    /// Makes the socket's send buffer large enough: a transaction is one datagram, however large.
    fn make_room(&self, length: usize) -> io::Result<()> {
        if length <= SMALL {
            return Ok(());
        }
        // The kernel doubles the value for its own accounting.
        Ok(setsockopt(&self.raw, SndBufForce, &length)?)
    }

    /// Reads the kernel's next datagram into the buffer, whole.
    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            let room = self.buffer.capacity();
            let (length, sender) = retried(|| self.raw.recv_from(&mut self.buffer, MSG_TRUNC))?;
            if length > room {
                return Err(io::Error::other(format!("an answer of {length} bytes: more than {room}")));
            }
            // Any process may send to our port; the kernel's own port is 0.
            if sender.port_number() == 0 {
                return Ok(());
            }
        }
    }
}

fn open(protocol: Protocol) -> io::Result<RawSocket> {
    let mut socket = RawSocket::new(match protocol {
        Protocol::Route => NETLINK_ROUTE,
        Protocol::Netfilter => NETLINK_NETFILTER,
    })?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_cap_ack(true)?;
    socket.set_ext_ack(true)?;
    if protocol == Protocol::Route {
        socket.set_netlink_get_strict_chk(true)?;
    }
    Ok(socket)
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::ENOBUFS)
}
