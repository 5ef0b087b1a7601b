//! Samples of a benchmark.

use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Samples of one thing.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Takes one more.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The value that `percent` of the samples do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// ADD and DEL of one contestant, one at a time.
#[derive(Debug, Default)]
pub struct Times {
    /// Each ADD.
    pub add: Samples,
    /// Each DEL.
    pub del: Samples,
    /// User and system time of an ADD and its DEL together.
    pub cpu: Samples,
}

/// How long the work takes.
pub fn wall<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Duration, Failure> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}
