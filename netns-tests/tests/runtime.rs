//! What the suites of the runtimes share: the subject's network as a runtime's configuration has it.

use std::fs;
use std::path::PathBuf;

use podnet_netns_tests::dropin;
use podnet_netns_tests::engine::Room;
use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::network::Network;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::tools;
use serde_json::{Value, json};

use crate::table::Scene;

/// The network configuration that is shipped for podnet; the same said for the reference.
pub(crate) fn shipped(scene: Scene) -> Result<Value, Failure> {
    if scene.subject == Subject::Reference {
        return Ok(scene.network()?.conflist());
    }
    let file = tools::workspace().join("conf").join(match scene.family {
        Family::V4 => "kubenet.conflist",
        Family::V6 => "kubenet-ipv6.conflist",
        Family::Dual => "kubenet-dual.conflist",
    });
    Ok(serde_json::from_str(&fs::read_to_string(&file).doing(file.display())?)?)
}

/// The same as engines read it that know no later version, the reference with the plugins that make host ports and
/// limits.
pub(crate) fn conflist(scene: Scene) -> Result<Value, Failure> {
    match scene.subject {
        Subject::Podnet => {
            let mut conflist = shipped(scene)?;
            conflist["cniVersion"] = "1.0.0".into();
            Ok(conflist)
        }
        Subject::Reference => reference_chain(scene),
    }
}

/// The reference chain, whoever stands behind its names.
pub(crate) fn reference_chain(scene: Scene) -> Result<Value, Failure> {
    let mut network = Network::of(Subject::Reference, scene.family)?.version("1.0.0");
    network.plugins.push(json!({"type": "portmap", "capabilities": {"portMappings": true}}));
    network.plugins.push(json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}));
    Ok(network.conflist())
}

/// The folder with the subject's plugins; podnet stands behind its own name and the reference's. What it has nothing
/// for is the reference's in both.
pub(crate) fn plugins(room: &Room, scene: Scene) -> Result<PathBuf, Failure> {
    let (reference, podnet) = (tools::reference()?, tools::podnet()?);
    let mut plugins: Vec<_> = ["tuning", "firewall"].map(|name| (name, reference.join(name))).into();
    match scene.subject {
        Subject::Podnet => {
            plugins.push(("podnet", podnet.clone()));
            plugins.extend(dropin::NAMES.map(|name| (name, podnet.clone())));
        }
        Subject::Reference => plugins.extend(dropin::NAMES.map(|name| (name, reference.join(name)))),
    }
    room.plugins(&plugins)
}
