//! A place in memory, for tests: a `nat` table that others can change, and that fails when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ipnet::IpNet;
use podnet_daemon_kit::exec::ExecError;
use podnet_masq_rules::{ChainName, Family, RuleSet};

use super::{Firewall, FirewallError, Pending};

/// What the test and the place share: the rules of each family as text, the commits, and how many more of them fail.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) rules: BTreeMap<Family, String>,
    pub(crate) commits: usize,
    pub(crate) failures: usize,
}

/// The place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fake(pub(crate) Arc<Mutex<Kernel>>);

fn wanted_text(wanted: &RuleSet) -> String {
    wanted.rules().join("\n")
}

impl Firewall for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn look(&mut self, wanted: &RuleSet) -> Result<Pending, FirewallError> {
        let script = wanted_text(wanted);
        let is_right = self.0.lock().unwrap().rules.get(&wanted.family) == Some(&script);
        let reasons = if is_right { vec![] } else { vec!["chain different"] };
        Ok(Pending { reasons, script, others: Vec::new() })
    }

    fn look_for_removal(&mut self, family: Family, _: &ChainName) -> Result<Pending, FirewallError> {
        let is_there = self.0.lock().unwrap().rules.contains_key(&family);
        let reasons = if is_there { vec!["chain to be removed"] } else { vec![] };
        Ok(Pending { reasons, script: String::new(), others: Vec::new() })
    }

    fn commit(&mut self, family: Family, script: &str) -> Result<(), FirewallError> {
        let mut kernel = self.0.lock().unwrap();
        kernel.commits += 1;
        if kernel.failures > 0 {
            kernel.failures -= 1;
            let source = ExecError::Failed { program: "fake".into(), status: "1".into(), says: "no".into() };
            return Err(FirewallError::Exec { family, doing: "write", source });
        }
        if script.is_empty() {
            kernel.rules.remove(&family);
        } else {
            kernel.rules.insert(family, script.to_owned());
        }
        Ok(())
    }

    fn exempted(&mut self, _: Family, _: &ChainName) -> Result<Option<Vec<IpNet>>, FirewallError> {
        Ok(None)
    }

    fn wanted(&self, wanted: &RuleSet) -> Vec<String> {
        vec![wanted_text(wanted)]
    }

    fn listing(&mut self, family: Family, _: &ChainName) -> Result<Vec<String>, FirewallError> {
        Ok(self.0.lock().unwrap().rules.get(&family).into_iter().cloned().collect())
    }
}
