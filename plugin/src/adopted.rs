//! Taking off the node what the reference plugins made for an attachment, whichever program is asked to.

use podnet_cni::Attachment;
use podnet_datapath::{
    AnsweredLink, Netns, Owner, collect_adopted, lift_limits, link_labels, remove_adopted,
};

use crate::cmd::{Answered, pod_link};
use crate::error::Error;
use crate::{ipam, masquerade, portmap};

/// Removes what `bridge` or `ptp` made for the attachment; what is missing is as good as removed. The pod's link goes as
/// they would have it: by its name.
///
/// # Arguments
/// `netns`: `CNI_NETNS`, which may be gone.
pub(crate) fn remove(attachment: &Attachment, owner: &Owner, netns: Option<&str>) -> Result<(), Error> {
    let sandbox = netns.and_then(|path| Netns::open(path).ok());
    remove_from(sandbox.as_ref(), answered(attachment, netns).as_ref(), attachment, owner)
}

/// The same, and what the plugins behind it in the reference chain made: host ports and limits. The pod's link goes only
/// where the runtime's copy of the result or a reservation says that somebody made it for this attachment: an ADD of ours
/// fails where another network's plugin has made a link of that name before, and its DEL must not take that link.
pub(crate) fn remove_chain(attachment: &Attachment, owner: &Owner, netns: Option<&str>) -> Result<(), Error> {
    let answered = answered(attachment, netns);
    let is_witnessed = answered.is_some() || ipam::has_reservation(owner, &attachment.network);
    let sandbox = netns.filter(|_| is_witnessed).and_then(|path| Netns::open(path).ok());
    let removed = remove_from(sandbox.as_ref(), answered.as_ref(), attachment, owner);
    removed.and(remove_followers(owner))
}

fn remove_from(
    sandbox: Option<&Netns>,
    answered: Option<&AnsweredLink>,
    attachment: &Attachment,
    owner: &Owner,
) -> Result<(), Error> {
    // A name that no link can have is none's.
    let name = pod_link(attachment).ok();
    let removed = remove_adopted(owner, sandbox.zip(name.as_ref()), answered);
    masquerade::remove(owner)?;
    removed?;
    Ok(())
}

/// As [`remove_chain`], but for the pod's link.
pub(crate) fn remove_linkless(owner: &Owner) -> Result<(), Error> {
    remove_rules(owner)?;
    remove_followers(owner)
}

fn remove_followers(owner: &Owner) -> Result<(), Error> {
    portmap::remove(owner.network(), owner.container())?;
    Ok(lift_limits(owner)?)
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

/// The host's end, where the runtime still has the result.
fn answered(attachment: &Attachment, netns: Option<&str>) -> Option<AnsweredLink> {
    let (result, ifname) = (attachment.network.prev_result().ok().flatten()?, attachment.ifname.as_str());
    let of_pod = |netns: &str| Answered { result: &result, ifname, netns }.host_end();
    if let Some(netns) = netns {
        return of_pod(netns);
    }
    let of_name = result.interfaces.iter().filter(|interface| interface.name == ifname);
    of_name.filter_map(|interface| interface.sandbox.as_deref()).find_map(of_pod)
}
