//! The subject and the reference's host-local on one data folder, at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure_eq, parallel};
use serde_json::json;

use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    let limit = Duration::from_mins(3);
    let tests: &[table::Test] = &[
        ("mixed_in_parallel", mixed_in_parallel, None),
        ("each_releases_what_the_other_reserved", each_releases_what_the_other_reserved, None),
        ("each_continues_after_the_other", each_continues_after_the_other, None),
    ];
    table::with_limit(limit, "exchange", &[Family::V4, Family::Dual], tests)
}

/// Attachments made by both together, and how many at once.
const ATTACHMENTS: usize = 200;
const WORKERS: usize = 16;

/// host-local alone, with the name and the ranges of the scene's network.
fn host_local(scene: Scene) -> Result<Network, Failure> {
    let ipam = json!({"type": "host-local", "ranges": scene.family.ranges()});
    let folder = Subject::Reference.folder()?;
    Ok(Network {
        plugins: vec![json!({"type": "host-local", "ipam": ipam})],
        path: vec![folder],
        ..scene.network()?
    })
}

/// The reservations in the data folder: address to content.
fn reservations() -> Result<BTreeMap<IpAddr, String>, Failure> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir("/var/lib/cni/networks/kubenet")? {
        let file = file?;
        if let Some(address) = file.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.insert(address, fs::read_to_string(file.path())?);
        }
    }
    Ok(found)
}

fn mixed_in_parallel(scene: Scene) -> Outcome {
    let (whole, alone) = (scene.network()?, host_local(scene)?);
    // Every second one by either side; every third one goes again at once.
    let numbers: Vec<usize> = (0..ATTACHMENTS).collect();
    let live = parallel::each(WORKERS, &numbers, |number| {
        let pod = Pod::create(&format!("pod{number}"))?;
        let network = if number % 2 == 0 { &whole } else { &alone };
        let added = network.add(&pod).doing(&pod.container)?;
        if number % 3 == 0 {
            network.del(&pod, Some(&added)).doing(&pod.container)?;
            return Ok(Vec::new());
        }
        let owner = format!("{}\r\n{}", pod.container, pod.ifname);
        Ok(added.addresses()?.into_iter().map(|address| (address, owner.clone())).collect())
    })?;
    let given: Vec<(IpAddr, String)> = live.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = given.iter().map(|(address, _)| address).collect();
    ensure_eq!(distinct.len(), given.len(), "addresses without those given twice");
    ensure_eq!(reservations()?, given.into_iter().collect::<BTreeMap<_, _>>(), "reservations");
    Ok(())
}

fn each_releases_what_the_other_reserved(scene: Scene) -> Outcome {
    let (whole, alone) = (scene.network()?, host_local(scene)?);
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    whole.add(&a)?;
    alone.add(&b)?;
    alone.del(&a, None)?;
    whole.del(&b, None)?;
    ensure_eq!(reservations()?, BTreeMap::new(), "reservations");
    Ok(())
}

fn each_continues_after_the_other(scene: Scene) -> Outcome {
    let (whole, alone) = (scene.network()?, host_local(scene)?);
    for (index, network) in [&whole, &alone, &whole, &alone].into_iter().enumerate() {
        let pod = Pod::create(&format!("pod{index}"))?;
        let wanted = scene
            .family
            .pick(format!("10.244.1.{}/24", index + 2), format!("fd00:10:244:1::{}/64", index + 2));
        ensure_eq!(network.add(&pod)?.cidrs(), wanted, "addresses of pod {index}");
    }
    Ok(())
}
