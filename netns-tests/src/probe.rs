//! Does traffic pass? One datagram there and one back, or a stream of bytes, between two namespaces.
//!
//! The sockets are made in their namespaces and used from one thread, so that no server has to be waited for.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Context as _, Failure};
use crate::netns::Place;

/// What the receiver of the first datagram is given to answer in.
const ANSWER: Duration = Duration::from_millis(250);

/// Sends one datagram from `from` to `address` in `to` and one back. Gives the address that the receiver saw.
/// Nothing is sent twice: the very first packet has to pass.
pub fn first_packet(from: Place<'_>, to: Place<'_>, address: IpAddr) -> Result<IpAddr, Failure> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let what = format!("a datagram from {from} to {address} in {to}");
    // Bound to the address itself, so that the answer comes from where the question went.
    let server = to.inside(|| Ok(UdpSocket::bind((address, 0))?)).doing(&what)?;
    let client = from.inside(|| Ok(UdpSocket::bind((any, 0))?)).doing(&what)?;
    server.set_read_timeout(Some(ANSWER))?;
    client.set_read_timeout(Some(ANSWER))?;
    let mut word = [0_u8; 16];
    client.send_to(b"there", (address, server.local_addr()?.port())).doing(format_args!("{what}: send"))?;
    let (_, seen) = server.recv_from(&mut word).doing(format_args!("{what}: arrival"))?;
    server.send_to(b"back", seen).doing(format_args!("{what}: answer to {seen}"))?;
    client.recv_from(&mut word).doing(format_args!("{what}: answer's arrival"))?;
    Ok(seen.ip())
}

/// As [`first_packet`], but tries again until `limit` has passed.
pub fn reach(from: Place<'_>, to: Place<'_>, address: IpAddr, limit: Duration) -> Result<IpAddr, Failure> {
    let end = Instant::now() + limit;
    loop {
        match first_packet(from, to, address) {
            Err(_) if Instant::now() < end => {}
            outcome => return outcome,
        }
    }
}

/// Sends `bytes` bytes over TCP, more than one segment's worth, and checks that all arrive.
pub fn stream(from: Place<'_>, to: Place<'_>, address: IpAddr, bytes: usize) -> Result<(), Failure> {
    let what = format!("a stream from {from} to {address} in {to}");
    let listener = to.inside(|| Ok(TcpListener::bind((address, 0))?)).doing(&what)?;
    let target = SocketAddr::new(address, listener.local_addr()?.port());
    let mut sender =
        from.inside(|| Ok(TcpStream::connect_timeout(&target, Duration::from_secs(2))?)).doing(&what)?;
    let (mut receiver, _) = listener.accept()?;
    receiver.set_read_timeout(Some(Duration::from_secs(2)))?;
    let arrived = thread::scope(|scope| -> Result<usize, Failure> {
        scope.spawn(move || sender.write_all(&vec![0x5a; bytes]));
        let mut everything = Vec::new();
        match receiver.read_to_end(&mut everything) {
            Ok(_) => Ok(everything.len()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(everything.len())
            }
            Err(error) => Err(error.into()),
        }
    })?;
    crate::ensure_eq!(arrived, bytes, "{what}: bytes that arrived");
    Ok(())
}

/// How fast a stream to a free port of an address is; see [`rate_through`].
pub fn rate(from: Place<'_>, to: Place<'_>, address: IpAddr) -> Result<f64, Failure> {
    let free = to.inside(|| Ok(TcpListener::bind((address, 0))?.local_addr()?))?;
    rate_through(from, to, free, free)
}

/// How fast a stream to `target` is, which leads to `listen`, in bits of payload a second: over a second, after the
/// first half, when a burst is over.
pub fn rate_through(
    from: Place<'_>,
    to: Place<'_>,
    listen: SocketAddr,
    target: SocketAddr,
) -> Result<f64, Failure> {
    const WARM_UP: Duration = Duration::from_millis(500);
    const MEASURED: Duration = Duration::from_secs(1);
    let what = format!("a stream from {from} to {target}, {listen} in {to}");
    let listener = to.inside(|| Ok(TcpListener::bind(listen)?)).doing(&what)?;
    let mut sender =
        from.inside(|| Ok(TcpStream::connect_timeout(&target, Duration::from_secs(2))?)).doing(&what)?;
    let (mut receiver, _) = listener.accept()?;
    receiver.set_read_timeout(Some(Duration::from_secs(2)))?;
    sender.set_write_timeout(Some(Duration::from_secs(2)))?;
    thread::scope(|scope| {
        // Ends when the receiver, which has enough, goes away.
        scope.spawn(move || {
            let bytes = vec![0x5a; 1 << 16];
            while sender.write_all(&bytes).is_ok() {}
        });
        let measured = (|| {
            let mut room = vec![0; 1 << 18];
            let mut read = || receiver.read(&mut room).doing(&what);
            let begin = Instant::now();
            while begin.elapsed() < WARM_UP {
                read()?;
            }
            let (begin, mut bytes) = (Instant::now(), 0_u64);
            while begin.elapsed() < MEASURED {
                bytes += u64::try_from(read()?)?;
            }
            let bits = u32::try_from(bytes / 1000)?;
            Ok(f64::from(bits) * 8000.0 / begin.elapsed().as_secs_f64())
        })();
        drop(receiver);
        measured
    })
}

/// How long it takes that one byte goes to an address and comes back, over one connection: the times of so many, in order.
pub fn round_trips(
    from: Place<'_>,
    to: Place<'_>,
    address: IpAddr,
    count: usize,
) -> Result<Vec<Duration>, Failure> {
    let what = format!("round trips from {from} to {address} in {to}");
    let listener = to.inside(|| Ok(TcpListener::bind((address, 0))?)).doing(&what)?;
    let target = SocketAddr::new(address, listener.local_addr()?.port());
    let mut client =
        from.inside(|| Ok(TcpStream::connect_timeout(&target, Duration::from_secs(2))?)).doing(&what)?;
    let (mut server, _) = listener.accept()?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(Duration::from_secs(2)))?;
    }
    thread::scope(|scope| {
        // Ends when the client goes away.
        scope.spawn(move || {
            let mut byte = [0];
            while server.read_exact(&mut byte).is_ok() && server.write_all(&byte).is_ok() {}
        });
        let (mut times, mut byte) = (Vec::with_capacity(count), [0]);
        for _ in 0..count {
            let begin = Instant::now();
            client.write_all(&byte).doing(&what)?;
            client.read_exact(&mut byte).doing(&what)?;
            times.push(begin.elapsed());
        }
        drop(client);
        times.sort_unstable();
        Ok(times)
    })
}
