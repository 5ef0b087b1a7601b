//! Traffic that does not stop: one question after the other, each of which must be answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::netns::Place;

/// How long an answer may take on a busy machine. A datagram is sent once: one that is lost is never answered.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(2);

/// How often the answerer looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(50);

/// Two that talk, until [`Talk::end`].
#[derive(Debug)]
pub struct Talk {
    asker: Side<Result<u32, Failure>>,
    answerer: Side<()>,
}

/// A thread that ends when it is told to.
#[derive(Debug)]
struct Side<T> {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Side<T> {
    fn begin(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&is_over);
        Self { is_over, thread: thread::spawn(move || work(&own)) }
    }

    fn end(self) -> Result<T, Failure> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_panic| Failure::failed("a side of a talk panicked"))
    }
}

impl Talk {
    /// Begins; the answers come from `address`.
    pub fn begin(from: Place<'_>, to: Place<'_>, address: IpAddr) -> Result<Self, Failure> {
        let what = format!("a talk from {from} to {address} in {to}");
        let any: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let server = to.inside(|| Ok(UdpSocket::bind((address, 0))?)).doing(&what)?;
        let client = from.inside(|| Ok(UdpSocket::bind((any, 0))?)).doing(&what)?;
        client.connect(server.local_addr()?).doing(&what)?;
        client.set_read_timeout(Some(PATIENCE))?;
        server.set_read_timeout(Some(LOOK))?;
        let answerer = Side::begin(move |is_over| {
            let mut word = [0; 4];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok((length, sender)) = server.recv_from(&mut word) {
                    // An answer that cannot be sent is one that the asker misses.
                    let _missed = server.send_to(word.get(..length).unwrap_or_default(), sender);
                }
            }
        });
        let asker = Side::begin(move |is_over| {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                ask(&client, number).doing(format_args!("{what}, question {number}"))?;
                number += 1;
                thread::sleep(PAUSE);
            }
            Ok(number)
        });
        Ok(Self { asker, answerer })
    }

    /// How many questions were asked; a failure if one was not answered.
    pub fn end(self) -> Result<u32, Failure> {
        // The answerer goes on until the last question has its answer.
        let asked = self.asker.end()?;
        self.answerer.end()?;
        asked
    }
}

fn ask(client: &UdpSocket, number: u32) -> Result<(), Failure> {
    let question = number.to_be_bytes();
    client.send(&question)?;
    let mut answer = [0; 4];
    client.recv(&mut answer)?;
    crate::ensure_eq!(answer, question, "the answer");
    Ok(())
}
