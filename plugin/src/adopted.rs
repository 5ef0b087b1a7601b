//! Taking off the node what the reference plugins made for an attachment, whichever program is asked to.

use podnet_cni::{AddResult, Attachment};
use podnet_datapath::{
    AnsweredLink, Netns, Owner, collect_adopted, lift_limits, link_labels, reference, remove_adopted,
};

use crate::cmd::{Answered, pod_link};
use crate::error::Error;
use crate::{masquerade, portmap};

/// Removes what there is of the attachment; what is missing is as good as removed.
///
/// # Arguments
/// `netns`: `CNI_NETNS`, which may be gone; `previous`: what ADD answered, where the runtime still knows.
pub(crate) fn remove(attachment: &Attachment, owner: &Owner, netns: Option<&str>) -> Result<(), Error> {
    let sandbox = netns.and_then(|path| Netns::open(path).ok());
    let name = pod_link(attachment)?;
    // The namespace is the one thing that says which interface of the result is the pod's.
    let previous = attachment.network.prev_result().ok().flatten();
    let answered = previous.and_then(|result| answered(&result, attachment.ifname.as_str(), netns));
    remove_adopted(owner, sandbox.as_ref().map(|sandbox| (sandbox, &name)), answered.as_ref())?;
    Ok(masquerade::remove(owner)?)
}

/// The same, and what the plugins behind it in the reference chain made: host ports and limits.
pub(crate) fn remove_chain(attachment: &Attachment, owner: &Owner, netns: Option<&str>) -> Result<(), Error> {
    remove(attachment, owner, netns)?;
    portmap::remove(owner.network(), owner.container())?;
    Ok(lift_limits(&reference::ifb(owner.network(), owner.container())?)?)
}

/// Removes the rules alone.
pub(crate) fn remove_rules(owner: &Owner) -> Result<(), Error> {
    remove_adopted(owner, None, None)?;
    Ok(masquerade::remove(owner)?)
}

/// Removes the rules of those attachments of a network that are not alive.
///
/// # Arguments
/// `valid`: the attachments that are alive; a link that says it is somebody's was made meanwhile.
pub(crate) fn collect(network: &str, valid: impl IntoIterator<Item = Owner>) -> Result<(), Error> {
    let labelled = link_labels()?.into_iter().filter_map(|label| label.owner());
    let kept: Vec<Owner> =
        valid.into_iter().chain(labelled).filter(|owner| owner.network() == network).collect();
    collect_adopted(network, &kept)?;
    let is_alive = |container: &str| kept.iter().any(|owner| owner.container() == container);
    Ok(masquerade::collect(network, &is_alive)?)
}

fn answered(result: &AddResult, ifname: &str, netns: Option<&str>) -> Option<AnsweredLink> {
    let of_pod = |netns: &str| Answered { result, ifname, netns }.host_end();
    match netns {
        Some(netns) => of_pod(netns),
        None => {
            let sandboxes = result.interfaces.iter().filter(|interface| interface.name == ifname);
            sandboxes.filter_map(|interface| interface.sandbox.as_deref()).find_map(of_pod)
        }
    }
}
