//! Whether a pod lives, from what was seen: pure. Doubt is life.

/// Where a pod's addresses and its end of the link are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// In no namespace of this node, and the pod has no link.
    None,
    /// In a namespace that no process is in, or nobody knows which: the pod's link is still there.
    Deserted,
    /// In one that a process is in; or that of its record has processes, whatever became of addresses and link.
    Inhabited,
}

/// What is known of a pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// Another process adds or removes it just now.
    pub(super) is_worked_on: bool,
    /// podnet's own ADD made it and came to its end, or was killed: then nothing more is coming.
    pub(super) has_record: bool,
    pub(super) home: Home,
    /// Whether a runtime knows the container; `None` where there is none to be asked.
    pub(super) is_known: Option<bool>,
    /// It is not so new that more of it may be coming.
    pub(super) is_settled: bool,
}

/// What is to become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays.
    Alive,
    /// It goes, and why.
    Dead(&'static str),
    /// Not to be said yet.
    Unsettled,
}

/// No namespace has the addresses.
pub(super) const GONE: &str = "its namespace is gone";
/// A runtime's silence and an empty namespace.
pub(super) const UNKNOWN: &str = "containerd does not know it and no process is in its namespace";

/// Judges without a list.
pub(super) fn judge(evidence: Evidence) -> Verdict {
    let Evidence { is_worked_on, has_record, home, is_known, is_settled } = evidence;
    if is_worked_on || is_known == Some(true) {
        return Verdict::Alive;
    }
    match home {
        Home::None if has_record || is_settled => Verdict::Dead(GONE),
        Home::Deserted if is_known == Some(false) && is_settled => Verdict::Dead(UNKNOWN),
        Home::None => Verdict::Unsettled,
        Home::Deserted if is_known == Some(false) => Verdict::Unsettled,
        Home::Deserted | Home::Inhabited => Verdict::Alive,
    }
}

/// Judges where nobody sees what is removed. Besides the proof it takes podnet's own record, so that reservations of others
/// stay theirs; an age; and of a pod whose namespace is gone, that its link is gone too: the kernel takes the link with the
/// namespace, and a link that stays means that the namespace is where we cannot see it.
pub(super) fn judge_unwatched(evidence: Evidence, has_link: bool) -> Verdict {
    if !evidence.has_record || !evidence.is_settled {
        return Verdict::Alive;
    }
    match judge(evidence) {
        Verdict::Dead(GONE) if has_link => Verdict::Unsettled,
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIVE: Evidence = Evidence {
        is_worked_on: false,
        has_record: true,
        home: Home::Inhabited,
        is_known: None,
        is_settled: true,
    };

    #[test]
    fn a_pod_whose_namespace_is_gone_is_dead() {
        assert_eq!(judge(Evidence { home: Home::None, ..LIVE }), Verdict::Dead(GONE));
        let reservation = Evidence { home: Home::None, has_record: false, ..LIVE };
        assert_eq!(judge(reservation), Verdict::Dead(GONE));
        assert_eq!(judge(Evidence { is_settled: false, ..reservation }), Verdict::Unsettled);
    }

    #[test]
    fn only_a_runtime_can_say_that_an_empty_namespace_is_nobodys() {
        let deserted = Evidence { home: Home::Deserted, ..LIVE };
        assert_eq!(judge(deserted), Verdict::Alive);
        assert_eq!(judge(Evidence { is_known: Some(false), ..deserted }), Verdict::Dead(UNKNOWN));
        let new = Evidence { is_known: Some(false), is_settled: false, ..deserted };
        assert_eq!(judge(new), Verdict::Unsettled);
    }

    #[test]
    fn what_goes_unwatched_has_a_record_an_age_and_no_link() {
        let gone = Evidence { home: Home::None, ..LIVE };
        assert_eq!(judge_unwatched(gone, false), Verdict::Dead(GONE));
        assert_eq!(judge_unwatched(gone, true), Verdict::Unsettled);
        assert_eq!(judge_unwatched(Evidence { has_record: false, ..gone }, false), Verdict::Alive);
        assert_eq!(judge_unwatched(Evidence { is_settled: false, ..gone }, false), Verdict::Alive);
        let deserted = Evidence { home: Home::Deserted, is_known: Some(false), ..LIVE };
        assert_eq!(judge_unwatched(deserted, true), Verdict::Dead(UNKNOWN));
    }

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        let home = prop_oneof![Just(Home::None), Just(Home::Deserted), Just(Home::Inhabited)];
        (any::<bool>(), any::<bool>(), home, any::<Option<bool>>(), any::<bool>()).prop_map(
            |(is_worked_on, has_record, home, is_known, is_settled)| Evidence {
                is_worked_on,
                has_record,
                home,
                is_known,
                is_settled,
            },
        )
    }

    proptest! {
        #[test]
        fn any_sign_of_life_is_enough(evidence in any_evidence()) {
            let lives = evidence.is_worked_on
                || evidence.is_known == Some(true)
                || evidence.home == Home::Inhabited
                || (evidence.home == Home::Deserted && evidence.is_known.is_none());
            prop_assert_eq!(judge(evidence) == Verdict::Alive, lives);
        }

        #[test]
        fn whatever_goes_unwatched_goes_when_asked_for(evidence in any_evidence(), has_link: bool) {
            let verdict = judge_unwatched(evidence, has_link);
            if let Verdict::Dead(_) = verdict {
                prop_assert_eq!(judge(evidence), verdict);
                prop_assert!(evidence.has_record && evidence.is_settled);
            }
        }

        #[test]
        fn waiting_settles_everything(evidence in any_evidence()) {
            prop_assert_ne!(judge(Evidence { is_settled: true, ..evidence }), Verdict::Unsettled);
        }
    }
}
