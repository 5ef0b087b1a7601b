//! `podnet-ipamd install` and `uninstall`: podnet's files on a node, and the node as it was.
//!
//! ```text
//!  options, containerd's configuration ─▶ folders ─┐
//!  programs beside this one, their sums ───────────┴▶ items ──plan──▶ state file ──▶ changes, the conflist last
//!                            what is there, the state file ───┘                         │
//!                                                              podnet doctor ◀──────────┘
//! ```
//!
//! - An item (`item.rs`) is a file or link that is to be there. What is there instead, and is not of an earlier installation,
//!   is kept beside it as `NAME.orig`, or stays, as the item says.
//! - The state file (`state.rs`) has, before the first change, everything that the changes need to be finished or taken back.
//!   It lies in the plugins' folder. So a killed installation is finished by the next, whatever the moment.
//! - Every file comes complete, by rename, after its content was read back and compared.
//! - An installation adds and renews; only `uninstall` removes.

use std::fs::File;
use std::path::{Path, PathBuf};

mod change;
mod error;
mod folders;
mod item;
mod plan;
mod plugin;
mod settings;
mod sources;
mod state;
mod uninstall;
mod verdict;

pub use error::InstallError;
pub use uninstall::{Removal, uninstall};

use folders::Folders;
use item::Item;
use plan::Put;
use state::State;

/// podnet's network configuration list, in the runtime's folder.
const CONFLIST: &str = "10-podnet.conflist";

/// What `install` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Installation {
    /// Where `podnet` and the daemons are that are installed; by default where this program is.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Where the node's plugins are.
    #[command(flatten)]
    pub node: Node,
    /// Reference plugins that podnet takes the place of, with commas between: bridge,ptp,host-local,static,portmap,bandwidth,loopback.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub links: Vec<String>,
    /// The daemon's configuration. It is kept where it is there.
    #[arg(long, value_name = "FILE", default_value = "/etc/podnet/ipamd.yaml")]
    pub config: PathBuf,
    /// A member of that configuration, such as source.kind=podCIDR: written where there is none.
    #[arg(long = "set", value_name = "MEMBER=VALUE")]
    pub settings: Vec<String>,
    /// A network configuration list for nodes whose daemon writes none; installed as 10-podnet.conflist.
    #[arg(long, value_name = "FILE")]
    pub conflist: Option<PathBuf>,
    /// The daemons too, into /usr/local/bin, and their units for systemd.
    #[arg(long)]
    pub services: bool,
    /// Do not let `podnet doctor` look at the node afterwards.
    #[arg(long)]
    pub skip_doctor: bool,
}

/// Where a node has its plugins.
#[derive(Debug, Clone, clap::Args)]
pub struct Node {
    /// The plugins' folder; by default the one that containerd's configuration names, else /opt/cni/bin.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
    /// The folder of network configurations; by default the one that containerd's configuration names, else /etc/cni/net.d.
    #[arg(long, value_name = "DIR")]
    pub conf_dir: Option<PathBuf>,
    /// containerd's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/containerd/config.toml")]
    pub containerd: PathBuf,
}

/// What was done, line by line, for the operator.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was done or found well.
    pub said: Vec<String>,
    /// What needs a person's eyes.
    pub warnings: Vec<String>,
}

impl Report {
    fn say(&mut self, line: impl Into<String>) {
        self.said.push(line.into());
    }

    fn warn(&mut self, line: impl Into<String>) {
        self.warnings.push(line.into());
    }
}

/// Installs, or brings an installation up to date.
pub fn install(options: &Installation) -> Result<Report, InstallError> {
    let mut report = Report::default();
    let folders = Folders::find(&options.node)?;
    let from = options.from.clone().map_or_else(sources::beside_this_program, Ok)?;
    let podnet = sources::program(&from, "podnet")?;
    let version = plugin::version(&from.join("podnet"))?;
    let settings = settings::text(&options.settings)?;
    let daemons_conflist = settings::conflist(&options.config, settings.as_deref())?;
    let items = items(options, &folders, &from, podnet, settings)?;
    if let Some(conflist) = &daemons_conflist {
        change::ensure_writable(conflist)?;
    }

    let mut state = State::default();
    change::make_folder(&folders.bin, &mut state.folders)?;
    let _lock = lock(&folders.bin)?;
    let found = State::read(&folders.bin)?;
    if let Some(found) = &found {
        state.clone_from(found);
    }
    state.version.clone_from(&version);
    state.conflist = daemons_conflist.clone().or(state.conflist);

    let steps = plan::steps(&items, &state)?;
    for (item, &put) in items.iter().zip(&steps).filter(|(_, put)| !put.is_nothing()) {
        change::ensure_writable(&item.path)?;
        change::missing_folders(&item.path, &mut state.folders);
        state.expect(item, put);
    }
    skew(&mut report, &folders.bin.join("podnet"), &steps, &version);
    let mut written = found;
    if steps.iter().any(|put| !put.is_nothing()) {
        state.write_unless(&mut written, &folders.bin)?;
    }
    for (item, &put) in items.iter().zip(&steps) {
        report.say(change::put(item, put)?);
    }
    state.settle(&items, &steps);
    if written.is_some() {
        state.write_unless(&mut written, &folders.bin)?;
    }
    verdict::judge(&mut report, &folders, daemons_conflist.as_deref(), !options.skip_doctor);
    Ok(report)
}

/// All that is to be there, in the order of its coming.
fn items(
    options: &Installation,
    folders: &Folders,
    from: &Path,
    podnet: Vec<u8>,
    settings: Option<String>,
) -> Result<Vec<Item>, InstallError> {
    let mut items = vec![
        Item::program(folders.bin.join("podnet"), podnet),
        Item::link(folders.bin.join("podnet-ipam")),
        Item::link(folders.bin.join("loopback")).unless_there(),
    ];
    for name in &options.links {
        if !item::DROP_IN.contains(&name.as_str()) {
            return Err(InstallError::Link { name: name.clone() });
        }
        items.retain(|item| item.path.file_name() != Some(name.as_ref()));
        items.push(Item::link(folders.bin.join(name)));
    }
    if options.services {
        items.extend(sources::services(from)?);
    }
    if let Some(text) = settings {
        items.push(Item::text(options.config.clone(), text).unless_there());
    }
    if let Some(conflist) = &options.conflist {
        let text = sources::conflist(conflist, &from.join("podnet"))?;
        items.push(Item::text(folders.conf.join(CONFLIST), text));
    }
    Ok(items)
}

/// Which version takes the place of which.
fn skew(report: &mut Report, podnet: &Path, steps: &[Put], version: &str) {
    if !matches!(steps.first(), Some(Put::Replace | Put::Backup)) {
        return;
    }
    let there = podnet.display();
    match plugin::version(podnet) {
        Ok(present) if plugin::is_older(version, &present) => {
            report.warn(format!("{there}: version {present} is replaced by the older {version}"));
        }
        Ok(present) => report.say(format!("{there}: version {present} is replaced by {version}")),
        Err(_) => report.warn(format!("{there}: it does not tell its version; {version} replaces it")),
    }
}

/// Held as long as the value lives: two installations do not mix.
fn lock(bin_dir: &Path) -> Result<File, InstallError> {
    let folder = File::open(bin_dir).map_err(error::file("open", bin_dir))?;
    folder.lock().map_err(error::file("lock", bin_dir))?;
    Ok(folder)
}
