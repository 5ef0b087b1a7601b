use proptest::prelude::*;

use super::{Batches, Census, Scaling, Step, Warm};

/// The usual figures: 8 free at least, fewer than 24.
fn usual() -> Batches {
    Batches::new(16, 50, 150, 250)
}

fn census(offered: u32, requested: u32, assigned: u32) -> Census {
    Census { offered, assigned, requested, ..Census::default() }
}

fn grow(to: u32) -> Step {
    Step::Grow { to }
}

fn shrink(by: u32) -> Step {
    Step::Shrink { by, all: false }
}

#[test]
fn the_figures_are_limited_as_cns_limits_them() {
    assert_eq!(Batches::new(16, 50, 150, 0), usual());
    assert_eq!(Batches::new(16, 50, 120, -5), usual());
    assert_eq!(Batches::new(0, 0, 0, 10), Batches::new(1, 1, 101, 10));
    assert_eq!(Batches::new(300, 150, 0, 20), Batches::new(20, 100, 200, 20));
}

#[test]
fn thresholds_add_a_batch_below_the_lower_one_and_take_one_from_the_upper_one_on() {
    let rule = Scaling::Thresholds(usual());
    let cases = [
        (census(0, 0, 0), grow(16)),
        (census(16, 16, 8), Step::Keep),
        (census(16, 16, 9), grow(32)),
        // Asked for already, not here yet.
        (census(16, 32, 16), Step::Keep),
        // Up to the next whole batch, up to the maximum, and not beyond.
        (census(20, 20, 15), grow(32)),
        (census(240, 240, 240), grow(250)),
        (census(250, 250, 250), Step::Keep),
        (census(32, 32, 9), Step::Keep),
        (census(32, 32, 8), shrink(16)),
        (census(37, 37, 10), shrink(5)),
        (Census { pending_release: 1, ..census(32, 32, 8) }, Step::Keep),
        // The source gives whole blocks whatever is asked for: not what was asked for is given back.
        (census(256, 16, 0), Step::Keep),
    ];
    for (census, expected) in cases {
        assert_eq!(rule.step(&census), expected, "{census:?}");
    }
    let exhausted = Scaling::Thresholds(usual().in_exhausted_subnet(true));
    assert_eq!(exhausted.step(&census(16, 16, 16)), grow(17));
    assert_eq!(exhausted.step(&census(16, 16, 15)), Step::Keep);
    assert_eq!(exhausted.step(&census(16, 16, 14)), shrink(1));
}

#[test]
fn demand_goes_straight_to_the_target() {
    let rule = Scaling::Demand(usual());
    let target = |pods, requested| rule.step(&Census { requested, pods, ..Census::default() });
    // Half a batch beyond the pods, in whole batches.
    for (pods, expected) in
        [(0, 16), (8, 16), (9, 32), (24, 32), (25, 48), (100, 112), (240, 250), (1000, 250)]
    {
        assert_eq!(target(pods, 0), grow(expected), "{pods}");
        assert_eq!(target(pods, expected), Step::Keep, "{pods}");
    }
    assert_eq!(target(8, 48), Step::Shrink { by: 32, all: true });
    // More than the informer knows of are here already.
    assert_eq!(rule.step(&Census { pods: 3, ..census(16, 16, 16) }), grow(32));
    let exhausted = Scaling::Demand(usual().in_exhausted_subnet(true));
    assert_eq!(exhausted.step(&Census { pods: 20, requested: 16, ..Census::default() }), grow(21));
    // Never more than CNS knows.
    let huge = Scaling::Demand(Batches::new(16, 50, 150, 1000));
    assert_eq!(huge.step(&Census { pods: 900, ..Census::default() }), grow(250));
}

#[test]
fn warm_targets_are_those_of_the_table() {
    let step = |(warm, minimum, group), offered, assigned| {
        Scaling::Warm(Warm { warm, minimum, group, max: 250 }).step(&census(offered, offered, assigned))
    };
    // W=2, M=5: no pods 5 addresses, 5 pods 7, 9 pods 11.
    assert_eq!(step((2, 5, 1), 0, 0), grow(5));
    assert_eq!(step((2, 5, 1), 5, 3), Step::Keep);
    assert_eq!(step((2, 5, 1), 5, 5), grow(7));
    assert_eq!(step((2, 5, 1), 7, 9 - 2), grow(9));
    assert_eq!(step((2, 5, 1), 11, 5), shrink(4));
    assert_eq!(step((2, 5, 1), 7, 0), shrink(2));
    // A minimum alone freezes the pool.
    assert_eq!(step((0, 30, 1), 30, 30), Step::Keep);
    assert_eq!(step((0, 30, 1), 30, 0), Step::Keep);
    // Prefixes of 16 come and go whole.
    assert_eq!(step((2, 0, 16), 16, 15), grow(32));
    assert_eq!(step((2, 0, 16), 48, 15), shrink(16));
    assert_eq!(step((2, 0, 16), 32, 15), Step::Keep);
    // The maximum.
    assert_eq!(step((10, 0, 1), 250, 249), Step::Keep);
    assert_eq!(step((10, 0, 16), 240, 239), grow(250));
}

#[test]
fn what_cools_down_is_not_available() {
    let cooling =
        |offered, assigned, cooling_down| Census { cooling_down, ..census(offered, offered, assigned) };
    let warm = Scaling::Warm(Warm { warm: 4, minimum: 0, group: 1, max: 250 });
    assert_eq!(Scaling::Thresholds(usual()).step(&cooling(16, 0, 16)), grow(32));
    assert_eq!(Scaling::Thresholds(usual()).step(&cooling(32, 0, 9)), Step::Keep);
    assert_eq!(Scaling::Demand(usual()).step(&cooling(16, 0, 16)), grow(32));
    assert_eq!(warm.step(&cooling(16, 0, 16)), grow(20));
}

fn rule() -> impl Strategy<Value = Scaling> {
    let batches = || {
        (1..40_i64, 1..=100_i64, 0..300_i64, 1..300_i64, any::<bool>()).prop_map(
            |(batch, request, release, max, exhausted)| {
                Batches::new(batch, request, release, max).in_exhausted_subnet(exhausted)
            },
        )
    };
    let warm = (0..40_u32, 0..60_u32, 0..20_u32, 1..300_u32).prop_map(|(warm, minimum, group, max)| Warm {
        warm,
        minimum,
        group,
        max,
    });
    prop_oneof![
        batches().prop_map(Scaling::Thresholds),
        batches().prop_map(Scaling::Demand),
        warm.prop_map(Scaling::Warm),
    ]
}

proptest! {
    /// The source does what it is asked at once: whatever the pool looks like, the steps end and go one way.
    #[test]
    fn while_nobody_comes_or_goes_the_steps_end_and_go_one_way(
        rule in rule(), offered in 0..300_u32, requested in 0..300_u32, in_use in 0..300_u32, cooling in 0..40_u32,
    ) {
        let in_use = in_use.min(offered);
        let cooling_down = cooling.min(in_use);
        let mut census = Census {
            offered, requested, assigned: in_use - cooling_down, cooling_down, pending_release: 0, pods: in_use - cooling_down,
        };
        let (mut grew, mut shrank) = (false, false);
        for _ in 0..400 {
            match rule.step(&census) {
                Step::Keep => return Ok(()),
                Step::Grow { to } => {
                    prop_assert!(to > census.requested, "{census:?}");
                    grew = true;
                    census.requested = to;
                    census.offered = census.offered.max(to);
                }
                Step::Shrink { by, all } => {
                    let free = census.offered - in_use;
                    let by = match (by <= free, all) {
                        (true, _) => by,
                        (false, true) => return Ok(()),
                        (false, false) => free,
                    };
                    if by == 0 {
                        return Ok(());
                    }
                    shrank = true;
                    census.offered -= by;
                    census.requested = census.requested.saturating_sub(by);
                }
            }
            prop_assert!(!(grew && shrank), "{census:?}");
        }
        prop_assert!(false, "it does not end: {census:?}");
    }
}
