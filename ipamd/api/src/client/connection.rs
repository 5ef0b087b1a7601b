//! A connection on which no wait outlasts the deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::server::{Server, ServerError};

/// How long to wait before a server that does not listen is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// A stream of either kind.
#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// An open connection and the time by which all must be done.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    deadline: Instant,
}

impl Connection {
    /// Connects, trying a server that does not listen again until `patience` is over.
    pub(super) fn open(server: &Server, patience: Instant, deadline: Instant) -> Result<Self, ServerError> {
        loop {
            match reach(server, deadline) {
                Ok(stream) => return Ok(Self { stream, deadline }),
                Err(ServerError::Io(error)) if listens_later(&error) && Instant::now() + PAUSE < patience => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The time that is left, as a timeout, which must not be zero.
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timed_out()) } else { Ok(left) }
    }
}

/// Nobody listens there: the socket's file is not there yet, or is what a dead server left; or its queue is full.
fn listens_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock)
}

fn timed_out() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

fn reach(server: &Server, deadline: Instant) -> Result<Stream, ServerError> {
    match server {
        Server::Socket(path) => connect_socket(path, deadline),
        Server::Tcp(authority) => connect_tcp(authority, deadline),
    }
}

/// Whoever can replace or bind the socket decides what addresses pods get: it must be root's alone.
fn connect_socket(path: &Path, deadline: Instant) -> Result<Stream, ServerError> {
    let found = path.symlink_metadata()?;
    if !found.file_type().is_socket() {
        return Err(ServerError::NoSocket);
    }
    let (uid, mode) = (found.uid(), found.mode() & 0o7777);
    if uid != nix::unistd::geteuid().as_raw() || mode & 0o077 != 0 {
        return Err(ServerError::NotPrivate { uid, mode });
    }
    let left = deadline.saturating_duration_since(Instant::now());
    Ok(Stream::Unix(connect_within(path, left)?))
}

/// A stuck server's queue fills up; then a connect(2) without timeout waits for ever.
fn connect_within(path: &Path, left: Duration) -> io::Result<UnixStream> {
    let stream: UnixStream =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?.into();
    stream.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream)
}

/// Tries every address of the host, since `localhost` has two and the server may listen on one.
fn connect_tcp(authority: &str, deadline: Instant) -> Result<Stream, ServerError> {
    let mut last = ServerError::NoAddress { host: authority.to_owned() };
    for address in authority.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timed_out().into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// A wait that ran into its timeout says "would block".
fn in_time<T>(result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| if error.kind() == ErrorKind::WouldBlock { timed_out() } else { error })
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        in_time(match &mut self.stream {
            Stream::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(buffer)),
            Stream::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(buffer)),
        })
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        in_time(match &mut self.stream {
            Stream::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
            Stream::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
