//! Sources that have to be asked again and again.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Needs, Report, Source, checked, content, fetch};
use crate::config::Poll;
use crate::inventory::Inventory;

/// Reads a document; a complaint in words where it is none.
pub(super) type Parser = fn(&[u8]) -> Result<Inventory, String>;

/// A document behind a URL.
pub(super) struct Polled {
    url: String,
    headers: &'static [(&'static str, &'static str)],
    parse: Parser,
    pace: Pace,
    /// What was said last, so that only a change is reported.
    last: Option<Bytes>,
    asked: Option<Instant>,
}

impl Polled {
    pub(super) fn new(poll: Poll, headers: &'static [(&'static str, &'static str)], parse: Parser) -> Self {
        let pace = Pace { fastest: poll.fastest, slowest: poll.slowest, current: poll.fastest };
        Self { url: poll.url, headers, parse, pace, last: None, asked: None }
    }

    async fn ask(&mut self) -> Report {
        self.asked = Some(Instant::now());
        let body = fetch::get(&self.url, self.headers).await.inspect_err(|_| self.pace.nothing_new())?;
        if self.last.as_ref() == Some(&body) {
            self.pace.nothing_new();
        } else {
            self.pace.changed();
        }
        let inventory = (self.parse)(&body).map_err(content(&self.url))?;
        let inventory = checked(&self.url, "", inventory)?;
        self.last = Some(body);
        Ok(inventory)
    }

    /// Until it is time: sooner as soon as the pool is dry.
    async fn wait(&self, needs: &mut watch::Receiver<Needs>) {
        let Some(asked) = self.asked else { return };
        loop {
            let is_dry = needs.borrow_and_update().is_dry;
            let time = asked + self.pace.interval(is_dry);
            tokio::select! {
                () = sleep_until(time) => return,
                changed = needs.changed() => if changed.is_err() {
                    // Nobody is left who could say so; the end of this task follows.
                    return sleep_until(time).await;
                },
            }
        }
    }
}

impl Source for Polled {
    /// Every answer is reported, changed or not: the figures show how old the last good one is.
    async fn next(&mut self, needs: &mut watch::Receiver<Needs>) -> Report {
        self.wait(needs).await;
        self.ask().await
    }
}

/// How often: fast after a change, slower and slower while nothing happens, fast again while the pool is dry.
struct Pace {
    fastest: Duration,
    slowest: Duration,
    current: Duration,
}

impl Pace {
    fn interval(&self, is_dry: bool) -> Duration {
        if is_dry { self.fastest } else { self.current }
    }

    fn changed(&mut self) {
        self.current = self.fastest;
    }

    fn nothing_new(&mut self) {
        self.current = self.current.saturating_mul(2).min(self.slowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_slows_down_and_a_dry_pool_speeds_it_up() {
        let seconds = Duration::from_secs;
        let mut pace = Pace { fastest: seconds(4), slowest: seconds(20), current: seconds(4) };
        let mut seen = Vec::new();
        for _ in 0..4 {
            pace.nothing_new();
            seen.push(pace.interval(false).as_secs());
        }
        assert_eq!(seen, [8, 16, 20, 20]);
        assert_eq!(pace.interval(true), seconds(4));
        pace.changed();
        assert_eq!(pace.interval(false), seconds(4));
    }
}
