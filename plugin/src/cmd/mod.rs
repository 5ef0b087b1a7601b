//! The verbs of the protocol, one a file.

mod add;
mod check;
mod del;
mod gc;
mod status;
mod taken;

use std::io::Read;

use podnet_cni::{Attachment, Environment, Request, Version, VersionReply};
use podnet_datapath::{LinkName, Netns, Owner};

use crate::error::{Error, chain};
use crate::logging;
use crate::outcome::Outcome;

/// More bytes than any configuration has; decoded, a document takes many times its length.
const LONGEST_CONFIG: u64 = 16 << 20;

/// Serves one request of a runtime.
pub(crate) fn run() -> Outcome {
    let environment = Environment::from_lookup(|name| std::env::var_os(name));
    if !environment.has_command() {
        return Outcome::note(about());
    }
    serve(&environment).unwrap_or_else(|error| Outcome::failure(&error.into()))
}

/// Takes back an attachment whose result could not be delivered.
pub(crate) fn retract(attachment: &Attachment) {
    if let Err(error) = del::remove_attachment(attachment) {
        tracing::warn!(error = chain(&error), "cannot take back the attachment");
    }
}

fn serve(environment: &Environment) -> Result<Outcome, Error> {
    let request = Request::parse(environment, read_stdin)?;
    if let Some(network) = request.network() {
        logging::init(&network.config);
    }
    match request {
        Request::Add { attachment, netns } => {
            let result = add::add(&attachment, &netns)?;
            return Ok(Outcome { made: Some(Box::new(attachment)), ..Outcome::success(result) });
        }
        Request::Version => return Ok(Outcome::success(VersionReply::new().to_json())),
        Request::Check { attachment, netns } => check::check(&attachment, &netns)?,
        Request::Del { attachment, netns } => del::del(&attachment, netns.as_deref())?,
        Request::Gc(network) => gc::gc(&network)?,
        Request::Status(network) => status::status(&network)?,
    }
    Ok(Outcome::default())
}

/// What a person sees who calls the plugin without arguments.
fn about() -> String {
    let versions = Version::SUPPORTED.map(|version| version.to_string()).join(", ");
    format!(
        "CNI plugin podnet {}; as the node's tool: podnet --help\nCNI protocol versions supported: {versions}\n",
        env!("CARGO_PKG_VERSION")
    )
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
fn pod_link(attachment: &Attachment) -> Result<LinkName, Error> {
    Ok(attachment.ifname.as_str().parse()?)
}

fn owner(attachment: &Attachment) -> Owner {
    let key = attachment.key();
    Owner::new(key.network, key.container_id, key.ifname)
}

/// Opens the pod's namespace and makes sure that it is not the node's own: a recycled path once cost a host its
/// loopback link.
fn open_sandbox(path: &str, netns_override: bool) -> Result<Netns, Error> {
    let netns = Netns::open(path)?;
    if !netns_override && netns.is_current()? {
        return Err(Error::OwnNetns);
    }
    Ok(netns)
}
