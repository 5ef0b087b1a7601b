//! What the daemon remembers is damaged while pods live. Azure's CNS then does not start any more.

use std::fs;
use std::path::PathBuf;

use podnet_netns_tests::failure::{Context as _, Outcome};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq};

use super::{Test, daemon, network};
use crate::daemon_addresses::{FOLDER, nobody_has_any};

pub(super) const TESTS: &[Test] = &[
    ("a_damaged_journal_costs_no_pod_its_address", damaged),
    ("an_address_with_two_owners_is_one_pods", twice),
];

const RECORDS: &str = "/run/podnet/attachments";

fn journal() -> PathBuf {
    PathBuf::from(FOLDER).join("state/pool.journal")
}

fn damaged(family: Family) -> Outcome {
    let network = network()?;
    let mut daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let own = added.addresses()?;
    let (assigned, mut damaged) = (daemon.assigned()?, fs::read(journal())?);
    let middle = damaged.len() / 2;
    *damaged.get_mut(middle).doing("the journal's middle")? ^= 0x55;
    for (what, content) in [
        ("empty", &b""[..]),
        ("zeroes", &[0; 4096]),
        ("no journal", b"{\"Network\": null}"),
        ("a wrong byte", &damaged),
    ] {
        daemon.stop()?;
        fs::write(journal(), content)?;
        daemon = super::daemon(family)?;
        ensure_eq!(daemon.assigned()?, assigned, "what is assigned after {what}");
        let other = Pod::create(&format!("other-{}", content.len()))?;
        let given = network.add(&other)?.addresses()?;
        ensure!(given.iter().all(|address| !own.contains(address)), "after {what} {given:?} is given again");
        network.del(&other, None)?;
        network.check(&pod, &added)?;
    }
    network.del(&pod, Some(&added))?;
    nobody_has_any(&daemon)
}

/// As a copied state file has it.
fn twice(family: Family) -> Outcome {
    let network = network()?;
    let first = daemon(family)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let assigned = first.assigned()?;
    first.stop()?;
    fs::remove_file(journal())?;
    let record = fs::read_dir(RECORDS)?.next().doing("a record")??.path();
    let twin = fs::read_to_string(&record)?.replace(&pod.container, "twin-sandbox");
    let name = record.with_file_name("0123456789abcdef0123456789abcdef");
    fs::copy(&record, &name)?;
    fs::write(&name, twin)?;
    let second = daemon(family)?;
    let now = second.assigned()?;
    ensure_eq!(now.len(), assigned.len(), "addresses with an owner, {now:?}");
    let other = Pod::create("b")?;
    let given = network.add(&other)?.addresses()?;
    for own in added.addresses()? {
        ensure!(!given.contains(&own), "{own} was given again");
    }
    network.del(&other, None)
}
