//! How many addresses the pool should have: pure arithmetic over its figures.
//!
//! An address that cools down is not available: counted as if it were, a pool whose addresses all cool down would
//! not grow although nothing can be assigned. With that, the rules are those of Azure's CNS (its pool monitor,
//! versions 1 and 2) and of the AWS VPC CNI (warm targets).
//!
//! No rule oscillates: as long as nobody comes or goes, no step is ever followed by one in the other direction.

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// The source gives what it gives.
    Fixed,
    /// Whole batches, between two thresholds of free addresses: CNS, version 1.
    Thresholds(Batches),
    /// Whole batches, straight to what the pods on the node need: CNS, version 2.
    Demand(Batches),
    /// So many warm, so many in total.
    Warm(Warm),
}

/// The figures of `scaler` in a `NodeNetworkConfig`, of `pool` in our configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    batch: u32,
    request_percent: u32,
    release_percent: u32,
    max: u32,
    exhausted: bool,
}

/// What CNS takes where no sensible maximum is given, and version 2 never exceeds.
const USUAL_MAX: u32 = 250;

impl Batches {
    /// The figures as CNS limits them: a maximum below 1 means 250, a batch is of 1 to `max` addresses, the lower
    /// threshold is 1 to 100 percent of a batch, the upper one at least a batch above it.
    pub fn new(batch: i64, request_percent: i64, release_percent: i64, max: i64) -> Self {
        let max = if max < 1 { i64::from(USUAL_MAX) } else { max };
        let request_percent = request_percent.clamp(1, 100);
        let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            batch: number(batch.clamp(1, max)),
            request_percent: number(request_percent),
            release_percent: number(release_percent.max(request_percent + 100)),
            max: number(max),
            exhausted: false,
        }
    }

    /// The same where the subnet as a whole is short of addresses: one at a time.
    #[must_use]
    pub fn in_exhausted_subnet(self, exhausted: bool) -> Self {
        Self { exhausted, ..self }
    }

    fn batch(&self) -> i64 {
        if self.exhausted { 1 } else { i64::from(self.batch) }
    }

    /// Fewer free addresses than the first, or as many as the second: something is to be done.
    fn thresholds(&self) -> (i64, i64) {
        if self.exhausted {
            return (1, 2);
        }
        let share = |percent| (i64::from(self.batch) * i64::from(percent) + 50) / 100;
        (share(self.request_percent), share(self.release_percent))
    }
}

/// Targets as `WARM_IP_TARGET` and `MINIMUM_IP_TARGET` of the AWS VPC CNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warm {
    /// So many addresses are free, whatever is assigned. 0 with a minimum freezes the pool at that.
    pub warm: u32,
    /// So many addresses there are, assigned or not.
    pub minimum: u32,
    /// Addresses come and go in groups of so many (a prefix); 1 and 0: singly.
    pub group: u32,
    /// Never more than this.
    pub max: u32,
}

/// The pool's figures of the family that is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Addresses that the source offers, in whatever state.
    pub offered: u32,
    /// Those of them that are assigned.
    pub assigned: u32,
    /// Those of them that cool down.
    pub cooling_down: u32,
    /// Those of them that are on their way back.
    pub pending_release: u32,
    /// How many are asked for in total.
    pub requested: u32,
    /// Pods on the node that need an address, where that is known; the assigned ones count at least.
    pub pods: u32,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Ask for so many in total.
    Grow {
        /// The new total.
        to: u32,
    },
    /// Give so many back.
    Shrink {
        /// How many.
        by: u32,
        /// Whether fewer than that are of no use.
        all: bool,
    },
}

impl Scaling {
    /// The next step.
    pub fn step(&self, census: &Census) -> Step {
        match self {
            Self::Fixed => Step::Keep,
            Self::Thresholds(batches) => thresholds(batches, census),
            Self::Demand(batches) => demand(batches, census),
            Self::Warm(targets) => warm(targets, census),
        }
    }
}

fn thresholds(batches: &Batches, census: &Census) -> Step {
    let (min_free, max_free) = batches.thresholds();
    let (batch, max) = (batches.batch(), i64::from(batches.max));
    let requested = i64::from(census.requested);
    let in_use = i64::from(census.assigned) + i64::from(census.cooling_down);
    let current = i64::from(census.offered) - in_use - i64::from(census.pending_release);
    let expected = requested - in_use;
    if expected < min_free {
        if requested >= max {
            return Step::Keep;
        }
        return grow(max.min(requested + batch - requested % batch));
    }
    if current >= max_free {
        let batch = if requested % batch == 0 { batch } else { requested % batch };
        // Where the source offers more than was asked for, CNS goes below its own lower threshold here, and asks
        // for a batch again in the next step.
        if expected - batch >= min_free {
            return shrink(batch, false);
        }
    }
    Step::Keep
}

fn demand(batches: &Batches, census: &Census) -> Step {
    let batch = batches.batch();
    let max = i64::from(batches.max.min(USUAL_MAX));
    let percent = if batches.exhausted { 100 } else { i64::from(batches.request_percent) };
    let needed = i64::from(census.pods.max(census.assigned)) + i64::from(census.cooling_down);
    let target = max.min(batch * (batch * percent + 100 * needed + 100 * batch - 1).div_euclid(100 * batch));
    let requested = i64::from(census.requested);
    match target - requested {
        0 => Step::Keep,
        difference if difference > 0 => grow(target),
        difference => shrink(-difference, true),
    }
}

fn warm(targets: &Warm, census: &Census) -> Step {
    let (warm, minimum) = (i64::from(targets.warm), i64::from(targets.minimum));
    let group = i64::from(targets.group.max(1));
    let in_use = i64::from(census.assigned) + i64::from(census.cooling_down);
    let here = i64::from(census.offered) - i64::from(census.pending_release);
    let coming = here.max(i64::from(census.requested));
    let short = (warm - (coming - in_use)).max(minimum - coming).max(0);
    if short > 0 {
        let total = i64::from(targets.max).min(coming + (short + group - 1) / group * group);
        return if total > coming { grow(total) } else { Step::Keep };
    }
    let over = (here - in_use - warm).min(here - minimum).max(0) / group * group;
    if over > 0 { shrink(over, false) } else { Step::Keep }
}

fn grow(to: i64) -> Step {
    u32::try_from(to).map_or(Step::Keep, |to| Step::Grow { to })
}

fn shrink(by: i64, all: bool) -> Step {
    u32::try_from(by).map_or(Step::Keep, |by| Step::Shrink { by, all })
}

#[cfg(test)]
mod tests;
