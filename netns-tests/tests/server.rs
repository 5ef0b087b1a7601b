//! A server in a pod, and a client that asks it through whatever lies between.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use podnet_netns_tests::ensure_eq;
use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::netns::Place;

/// A server in a pod, asked from the same thread: nothing has to be waited for.
pub(crate) enum Server {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// What one question and its answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_millis(700);

impl Server {
    pub(crate) fn start<'a>(
        place: impl Into<Place<'a>>,
        address: SocketAddr,
        is_udp: bool,
    ) -> Result<Self, Failure> {
        place.into().inside(|| {
            if is_udp {
                let socket = UdpSocket::bind(address).doing(address)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                return Ok(Self::Udp(socket));
            }
            Ok(Self::Tcp(TcpListener::bind(address).doing(address)?))
        })
    }

    /// As [`Server::asked`], but tries until the reference's IPv6 gateway is no longer being probed for.
    pub(crate) fn asked_at_first(&self, from: Place<'_>, target: SocketAddr) -> Result<IpAddr, Failure> {
        let end = Instant::now() + Duration::from_secs(8);
        loop {
            match self.asked(from, target) {
                Err(_) if Instant::now() < end => {}
                answer => return answer,
            }
        }
    }

    /// Asks the server by way of `target` and gives the address that it saw; an answer has to come back.
    pub(crate) fn asked(&self, from: Place<'_>, target: SocketAddr) -> Result<IpAddr, Failure> {
        let what =
            format!("{} from {from} to {target}", if matches!(self, Self::Tcp(_)) { "TCP" } else { "UDP" });
        let mut word = [0_u8; 8];
        match self {
            Self::Tcp(listener) => {
                let mut client =
                    from.inside(|| Ok(TcpStream::connect_timeout(&target, PATIENCE)?)).doing(&what)?;
                client.set_read_timeout(Some(PATIENCE))?;
                let (mut stream, seen) = listener.accept()?;
                stream.write_all(b"back")?;
                drop(stream);
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).doing(&what)?;
                ensure_eq!(answer, b"back", "answer to {what}");
                Ok(seen.ip())
            }
            Self::Udp(socket) => {
                let any: IpAddr = if target.is_ipv4() {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                let client = from.inside(|| Ok(UdpSocket::bind((any, 0))?)).doing(&what)?;
                client.set_read_timeout(Some(PATIENCE))?;
                // Connected, it takes answers only from where the question went.
                client.connect(target).doing(&what)?;
                client.send(b"there").doing(&what)?;
                let (_, seen) = socket.recv_from(&mut word).doing(format_args!("{what}: arrival"))?;
                socket.send_to(b"back", seen)?;
                client.recv(&mut word).doing(format_args!("{what}: answer"))?;
                Ok(seen.ip())
            }
        }
    }
}
