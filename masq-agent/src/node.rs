//! The agent's view of one node: the files, the places, and the rule sets that follow from the two.

use std::time::Instant;

use podnet_masq_rules::{Family, Policy, RuleSet};

use crate::configuration::{Configuration, decide};
use crate::firewall::detect::{self, DetectError, Places};
use crate::keeper::{Cause, Keeper, Round};
use crate::settings::Settings;
use crate::source;

/// Everything that a round needs. It is moved to the thread that may block, and back.
pub(crate) struct Node {
    settings: Settings,
    keeper: Keeper,
    last_good: Option<Policy>,
    wanted: Vec<RuleSet>,
}

/// A node, what was found out about it, and the configuration that it starts with.
pub(crate) struct Start {
    pub(crate) node: Node,
    pub(crate) backend: &'static str,
    pub(crate) because: String,
    pub(crate) notifies: bool,
    /// `--random-fully` was asked for and cannot be had.
    pub(crate) no_random_fully: bool,
}

impl Node {
    /// Finds the places.
    pub(crate) fn start(mut settings: Settings, now: Instant) -> Result<Start, DetectError> {
        let Places { chosen, because, others, notifies, version } =
            detect::detect(settings.backend, &settings.chain)?;
        let no_random_fully = settings.style.random_fully
            && version.is_some_and(|version| !detect::knows_random_fully(&version));
        settings.style.random_fully &= !no_random_fully;
        let backend = chosen.name();
        let keeper = Keeper::new(chosen, others, settings.chain.clone(), now);
        let node = Self { settings, keeper, last_good: None, wanted: Vec::new() };
        Ok(Start { node, backend, because, notifies, no_random_fully })
    }

    /// Reads the files. What is wanted from now on follows from them.
    pub(crate) fn configure(&mut self) -> Configuration {
        let families: Vec<Family> = self.settings.families().collect();
        let files = source::read(&self.settings.config_dir);
        let keeper = &mut self.keeper;
        let found = decide(&self.settings, files, self.last_good.as_ref(), || keeper.found_policy(&families));
        self.last_good = Some(found.policy.clone());
        self.wanted = rule_sets(&self.settings, &found.policy);
        found
    }

    /// The rules that are wanted.
    pub(crate) fn wanted(&self) -> &[RuleSet] {
        &self.wanted
    }

    /// A round over all families and places.
    pub(crate) fn check_all(&mut self, cause: Cause) -> Round {
        let wanted: Vec<&RuleSet> = self.wanted.iter().collect();
        self.keeper.check_all(&wanted, cause, Instant::now())
    }

    /// A round over these families of the chosen place.
    pub(crate) fn check(&mut self, families: &[Family], cause: Cause) -> Round {
        let wanted: Vec<&RuleSet> = self.wanted.iter().filter(|set| families.contains(&set.family)).collect();
        self.keeper.check(&wanted, cause, Instant::now())
    }
}

/// What a policy means for each family that is kept.
pub(crate) fn rule_sets(settings: &Settings, policy: &Policy) -> Vec<RuleSet> {
    settings
        .families()
        .map(|family| RuleSet::of(policy, family, settings.chain.clone(), settings.style.clone()))
        .collect()
}
