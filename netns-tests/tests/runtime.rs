//! What the suites of the container engines share: the subject's network as an engine's configuration has it.

use std::path::PathBuf;

use podnet_netns_tests::engine::Room;
use podnet_netns_tests::failure::Failure;
use podnet_netns_tests::subject::Subject;
use podnet_netns_tests::tools;
use serde_json::{Value, json};

use crate::table::Scene;

/// The subject's network as a file has it: what the runtime is to pass on is asked for by `capabilities`.
pub(crate) fn conflist(scene: Scene) -> Result<Value, Failure> {
    let mut network = scene.network()?.version("1.0.0");
    let capabilities = json!({"portMappings": true, "bandwidth": true});
    if scene.subject == Subject::Podnet {
        return Ok(network.with("/capabilities", capabilities).conflist());
    }
    network.plugins.push(json!({"type": "portmap", "capabilities": {"portMappings": true}}));
    network.plugins.push(json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}));
    Ok(network.conflist())
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
