//! Requests over connections that stay open, as many at a time as there are connections.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::ipamd::body_for;

/// What a load came to.
pub(crate) struct Outcome {
    /// Assignments a second.
    pub(crate) rate: f64,
    /// The time that 99 of 100 took at most.
    pub(crate) p99: Duration,
}

/// Assigns an address to `count` new containers.
pub(crate) fn assign(socket: &Path, connections: usize, count: usize) -> Result<Outcome, Failure> {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let times: Result<Vec<Vec<Duration>>, Failure> = thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(|| work(socket, &next, count))).collect();
        let joined = workers.into_iter().map(|worker| worker.join().ok().doing("join a worker")?);
        joined.collect()
    });
    let took = start.elapsed();
    let mut times = times?.concat();
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().doing("measure anything")?;
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let rate = times.len() as f64 / took.as_secs_f64();
    Ok(Outcome { rate, p99 })
}

fn work(socket: &Path, next: &AtomicUsize, count: usize) -> Result<Vec<Duration>, Failure> {
    let mut stream = UnixStream::connect(socket)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut times = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(times);
        }
        let body = body_for(&format!("{number:064x}"));
        let head = "POST /network/requestipconfigs HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
        let start = Instant::now();
        stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
        let answer = read_answer(&mut answers)?;
        times.push(start.elapsed());
        if !answer.contains("\"ReturnCode\":0") {
            return Err(Failure::failed(answer));
        }
    }
}

fn read_answer(source: &mut impl BufRead) -> Result<String, Failure> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        source.read_line(&mut line)?;
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    source.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
