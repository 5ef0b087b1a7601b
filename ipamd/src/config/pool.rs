//! The member `pool`: how addresses are kept.

use std::time::Duration;

use super::document::Node;
use super::fields::{self, Fields, Problem};

/// How addresses are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// `coolDown`: how long an address rests between two pods.
    pub cool_down: Duration,
    /// `maxIPs`: the most that the pool holds; none: 250 where the network can grow, else all.
    pub max: Option<u32>,
    /// `batchSize`: addresses asked for at a time.
    pub batch: u32,
    /// `requestThresholdPercent`, of a batch: fewer free addresses, and more are asked for.
    pub request_percent: u32,
    /// `releaseThresholdPercent`, of a batch: more free addresses, and some are given back.
    pub release_percent: u32,
    /// `warmIPTarget`: free addresses to keep, instead of batch and thresholds.
    pub warm: Option<u32>,
    /// `minimumIPTarget`: addresses to hold at least, instead of batch and thresholds.
    pub minimum: Option<u32>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            cool_down: Duration::from_secs(30),
            max: None,
            batch: 16,
            request_percent: 50,
            release_percent: 150,
            warm: None,
            minimum: None,
        }
    }
}

impl Pool {
    pub(super) fn decode(parent: &mut Fields, problems: &mut Vec<Problem>) -> Self {
        let default = Self::default();
        let Some(node) = parent.node("pool") else { return default };
        let mut fields = Fields::of("pool", node, problems);
        let pool = Self {
            cool_down: fields.take("coolDown", fields::duration, problems).unwrap_or(default.cool_down),
            max: fields.take("maxIPs", fields::positive, problems),
            batch: fields.take("batchSize", fields::positive, problems).unwrap_or(default.batch),
            request_percent: fields
                .take("requestThresholdPercent", request_percent, problems)
                .unwrap_or(default.request_percent),
            release_percent: fields
                .take("releaseThresholdPercent", fields::positive, problems)
                .unwrap_or(default.release_percent),
            warm: fields.take("warmIPTarget", fields::whole, problems),
            minimum: fields.take("minimumIPTarget", fields::whole, problems),
        };
        if pool.release_percent < pool.request_percent.saturating_add(100) {
            problems.push(Problem {
                line: fields.line,
                field: fields.name_of("releaseThresholdPercent"),
                says: format!(
                    "{} leaves the pool no room between asking for a batch at {} per cent and giving one back: at \
                     least {} is needed",
                    pool.release_percent,
                    pool.request_percent,
                    pool.request_percent.saturating_add(100)
                ),
            });
        }
        fields.finish(problems);
        pool
    }
}

fn request_percent(node: &Node) -> Result<u32, String> {
    let percent = fields::positive(node)?;
    if percent <= 100 { Ok(percent) } else { Err(format!("{percent} is more than 100")) }
}
