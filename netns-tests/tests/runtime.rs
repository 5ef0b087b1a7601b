//! What the suites of the runtimes share: the subject's network as a runtime's configuration has it.

use std::fs;
use std::path::PathBuf;

use podnet_netns_tests::engine::Room;
use podnet_netns_tests::failure::{Context as _, Failure};
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
    let mut conflist = shipped(scene)?;
    conflist["cniVersion"] = "1.0.0".into();
    if let (Subject::Reference, Some(plugins)) = (scene.subject, conflist["plugins"].as_array_mut()) {
        plugins.push(json!({"type": "portmap", "capabilities": {"portMappings": true}}));
        plugins.push(json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}));
    }
    Ok(conflist)
}

/// The folder with the subject's plugins.
pub(crate) fn plugins(room: &Room, scene: Scene) -> Result<PathBuf, Failure> {
    let reference = tools::reference()?;
    let of_reference = |name: &'static str| (name, reference.join(name));
    room.plugins(&match scene.subject {
        Subject::Podnet => vec![("podnet", tools::podnet()?), of_reference("loopback")],
        Subject::Reference => {
            ["bridge", "host-local", "portmap", "bandwidth", "loopback"].map(of_reference).into()
        }
    })
}
