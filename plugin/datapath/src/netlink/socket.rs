//! The socket: sends requests, reads answers.

use std::io::{self, ErrorKind};

use netlink_sys::{
    Socket as RawSocket, SocketAddr,
    protocols::{NETLINK_NETFILTER, NETLINK_ROUTE},
};
use nix::libc::{MSG_PEEK, MSG_TRUNC};
use nix::sys::socket::{setsockopt, sockopt::SndBufForce};

use super::{NetlinkError, Reply, Request, exchange::Exchange};

/// How often a dump that changes keep overtaking is tried. Each attempt is short and the kernel's counters
/// of change are coarse, so that a node under heavy churn needs a handful.
const DUMP_ATTEMPTS: u32 = 32;

/// The kernel fills dump datagrams up to the reader's buffer, 32 KiB at most (`netlink_recvmsg`).
const BUFFER: usize = 32 * 1024;

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
        self.exchange(requests)?.finish().map(drop)
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
        Ok(self.exchange(requests)?.refusals())
    }

    /// Asks for one object or for a dump; also makes a change whose result the kernel echoes (`NLM_F_ECHO`).
    ///
    /// A dump that a concurrent change overtook is repeated.
    pub fn query(&mut self, request: &Request) -> Result<Vec<Reply>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let exchange = self.exchange(std::slice::from_ref(request))?;
            if !exchange.is_interrupted() {
                return exchange.finish();
            }
        }
        Err(NetlinkError::Interrupted { request: request.what().to_owned(), attempts: DUMP_ATTEMPTS })
    }

    fn exchange<'a>(&mut self, requests: &'a [Request]) -> Result<Exchange<'a>, NetlinkError> {
        let what = || requests.first().map(|request| request.what().to_owned()).unwrap_or_default();
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            request.encode(self.sequence, &mut datagram);
        }
        self.make_room(datagram.len())
            .and_then(|()| retried(|| self.raw.send(&datagram, 0)))
            .map_err(|source| NetlinkError::Send { request: what(), source })?;

        let mut exchange = Exchange::new(requests, first);
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

    /// Reads the kernel's next datagram into the buffer, whole: its length is asked for first, since a
    /// truncated datagram is lost.
    fn receive(&mut self) -> io::Result<()> {
        loop {
            let mut nothing: &mut [u8] = &mut [];
            let (length, _) = retried(|| self.raw.recv_from(&mut nothing, MSG_PEEK | MSG_TRUNC))?;
            self.buffer.clear();
            self.buffer.reserve(length);
            let (_, sender) = retried(|| self.raw.recv_from(&mut self.buffer, 0))?;
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
