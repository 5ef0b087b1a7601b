//! Podnet's own verbs, one a file, and what every plugin has before and after a verb.

mod add;
pub(crate) mod check;
pub(crate) mod del;
pub(crate) mod gc;
mod lost;
pub(crate) mod status;
mod taken;
mod translated;

pub(crate) use check::Answered;

use std::io::Read;

pub(crate) use add::claim;

use podnet_cni::{
    Args, Attachment, Environment, Network, Request, RequestError, Version, VersionError, VersionReply,
};
use podnet_datapath::{LinkName, Netns, Owner, promiscuity_is_no_hairpin};

use crate::adopted;
use crate::error::{Error, chain};
use crate::logging;
use crate::mode::Mode;
use crate::netconf::Hairpin;
use crate::outcome::Outcome;
use crate::plugin::Plugin;

/// More bytes than any configuration has; decoded, a document takes many times its length.
const LONGEST_CONFIG: u64 = 16 << 20;

/// The plugin `podnet`.
pub(crate) struct Podnet;

impl Plugin for Podnet {
    fn name(&self) -> &'static str {
        "podnet"
    }

    fn add(&self, attachment: &Attachment, netns: &str) -> Result<String, Error> {
        add::add(attachment, netns)
    }

    fn check(&self, attachment: &Attachment, netns: &str) -> Result<(), Error> {
        check::check(attachment, netns)
    }

    fn del(&self, attachment: &Attachment, netns: Option<&str>) -> Result<(), Error> {
        del::del(attachment, netns, adopted::remove_chain)
    }

    fn gc(&self, network: &Network) -> Result<(), Error> {
        gc::gc(network)
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        status::status(network)
    }
}

/// Serves one request of a runtime.
pub(crate) fn run(plugin: &dyn Plugin) -> Outcome {
    let environment = Environment::from_lookup(|name| std::env::var_os(name));
    if !environment.has_command() {
        return Outcome::note(about(plugin));
    }
    serve(plugin, &environment).unwrap_or_else(|error| Outcome::failure(&error.into()))
}

/// Takes back an attachment whose result could not be delivered.
pub(crate) fn retract(plugin: &dyn Plugin, attachment: &Attachment) {
    if let Err(error) = plugin.del(attachment, None) {
        tracing::warn!(error = chain(&error), "cannot take back the attachment");
    }
}

fn serve(plugin: &dyn Plugin, environment: &Environment) -> Result<Outcome, Error> {
    let request = Request::parse(environment, read_stdin)?;
    if let Some(network) = request.network() {
        logging::init(&network.config);
        refuse_older_version(plugin, network)?;
    }
    match request {
        Request::Add { attachment, netns } => {
            let result = plugin.add(&attachment, &netns)?;
            return Ok(Outcome { made: Some(Box::new(attachment)), ..Outcome::success(result) });
        }
        Request::Version => {
            return Ok(Outcome::success(VersionReply::since(plugin.oldest_version()).to_json()));
        }
        Request::Check { attachment, netns } => plugin.check(&attachment, &netns)?,
        Request::Del { attachment, netns } => plugin.del(&attachment, netns.as_deref())?,
        Request::Gc(network) => plugin.gc(&network)?,
        Request::Status(network) => plugin.status(&network)?,
    }
    Ok(Outcome::default())
}

fn refuse_older_version(plugin: &dyn Plugin, network: &Network) -> Result<(), RequestError> {
    let oldest = plugin.oldest_version();
    if network.version >= oldest {
        return Ok(());
    }
    let (declared, supported) = (network.version.to_string(), Version::since(oldest));
    Err(VersionError::Unsupported { declared, supported }.into())
}

/// What a person sees who calls the plugin without arguments.
fn about(plugin: &dyn Plugin) -> String {
    let supported = Version::since(plugin.oldest_version()).iter().map(ToString::to_string);
    let versions = supported.collect::<Vec<_>>().join(", ");
    let (name, version) = (plugin.name(), env!("CARGO_PKG_VERSION"));
    let identity = match name {
        "podnet" => format!("podnet {version}; as the node's tool: podnet --help"),
        _ => format!("{name}, by podnet {version}"),
    };
    format!("CNI plugin {identity}\nCNI protocol versions supported: {versions}\n")
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::io::stdin().lock().take(LONGEST_CONFIG + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST_CONFIG {
        return Err(std::io::Error::other(format!("more than {} MiB", LONGEST_CONFIG >> 20)));
    }
    Ok(text)
}

/// The pod's link by the kernel's rules, which are those of CNI_IFNAME.
pub(crate) fn pod_link(attachment: &Attachment) -> Result<LinkName, Error> {
    Ok(attachment.ifname.as_str().parse()?)
}

/// Whom everything of the attachment belongs to.
pub(crate) fn owner(attachment: &Attachment) -> Owner {
    let key = attachment.key();
    Owner::new(key.network, key.container_id, key.ifname)
}

/// The pod as people name it, where the runtime says it.
pub(crate) fn pod_of(args: &Args) -> Option<String> {
    let (namespace, name) = args.pod_namespace.as_ref().zip(args.pod_name.as_ref())?;
    Some(format!("{namespace}/{name}"))
}

/// Opens the pod's namespace and makes sure that it is not the node's own: a recycled path once cost a host its
/// loopback link.
pub(crate) fn open_sandbox(path: &str, netns_override: bool) -> Result<Netns, Error> {
    let netns = Netns::open(path)?;
    if !netns_override && netns.is_current()? {
        return Err(Error::OwnNetns);
    }
    Ok(netns)
}

/// kubenet's mode rests on what kernels did before Linux 6.8.
fn warn_of_promiscuity(mode: &Mode) {
    let is_promiscuous = matches!(mode, Mode::Kubenet(kubenet) if kubenet.hairpin == Hairpin::Promiscuous);
    if is_promiscuous && promiscuity_is_no_hairpin() {
        tracing::warn!(
            "hairpinMode promiscuous-bridge: from Linux 6.8 on a promiscuous bridge brings no pod to itself; where \
             br_netfilter is on, the ports' own hairpin mode does, as with hairpin-veth"
        );
    }
}
