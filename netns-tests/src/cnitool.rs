//! cnitool, the reference runtime on the command line.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Context as _, Failure};
use crate::installed::CONFIGURATIONS;
use crate::network::Pod;
use crate::process::{Finished, command, run};
use crate::tools::CnitoolVersion;

/// One version of the tool with one network loaded.
#[derive(Debug)]
pub struct Cnitool {
    binary: PathBuf,
    plugins: PathBuf,
    network: String,
}

impl Cnitool {
    /// Stores the list where the tool finds it; `plugins` is `CNI_PATH`.
    pub fn load(version: CnitoolVersion, conflist: &Value, plugins: &Path) -> Result<Self, Failure> {
        let binary = version.binary()?;
        let network = conflist["name"].as_str().doing("name of the network")?.to_owned();
        fs::create_dir_all(CONFIGURATIONS)?;
        let file = Path::new(CONFIGURATIONS).join(format!("{network}.conflist"));
        fs::write(&file, conflist.to_string()).doing(file.display())?;
        Ok(Self { binary, plugins: plugins.to_owned(), network })
    }

    /// `cnitool VERB NETWORK NETNS`; `args` is `CNI_ARGS`. The tool derives the container's name from the namespace's.
    pub fn run(&self, verb: &str, pod: &Pod) -> Result<Finished, Failure> {
        let netns = pod.netns_path();
        let mut tool = command(&self.binary, [verb, self.network.as_str(), netns.as_str()]);
        run(tool.env("NETCONFPATH", CONFIGURATIONS).env("CNI_PATH", &self.plugins), b"")
    }
}
