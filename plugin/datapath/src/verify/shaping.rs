//! The pod's limits, on the host's side.

use crate::{
    Label, LinkPrefix, PodNetwork, TokenBucket,
    difference::Differences,
    netlink::{NetlinkError, Socket},
    rtnl::{
        link::{self, Link},
        tc,
    },
};

/// Looks at the limits of the pod whose host's end is `host`. Where none is wanted, another plugin may have set one.
pub(super) fn verify(
    socket: &mut Socket,
    wanted: &PodNetwork,
    host: &Link,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    if let Some(bucket) = wanted.shaping.ingress {
        compare_bucket(socket, host, bucket, "ingress", differences)?;
    }
    let Some(bucket) = wanted.shaping.egress else { return Ok(()) };
    let [first, second] = wanted.owner.link_names(LinkPrefix::IFB);
    let Some(ifb) = owned(socket, wanted)? else {
        differences.note(format!("ifb link {first} or {second}"), wanted.owner.alias(), "no such alias");
        return Ok(());
    };
    let object = format!("ifb link {}", ifb.name);
    if !ifb.is_up {
        differences.note(&object, "up", "down");
    }
    differences.compare(format!("MTU of {object}"), &host.mtu, &ifb.mtu);
    compare_bucket(socket, &ifb, bucket, "egress", differences)?;
    let redirections = tc::redirections(socket, host.index)?;
    if redirections != [ifb.index] {
        let found =
            redirections.iter().map(|index| format!("to link {index}")).collect::<Vec<_>>().join(", ");
        let found = if found.is_empty() { "nowhere".to_owned() } else { found };
        let wanted = format!("to link {}", ifb.index);
        differences.note(format!("redirection of what arrives by {}", host.name), wanted, found);
    }
    Ok(())
}

fn compare_bucket(
    socket: &mut Socket,
    link: &Link,
    wanted: TokenBucket,
    direction: &str,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    let wanted = wanted.for_mtu(link.mtu);
    let found = tc::bucket(socket, link.index)?;
    if !found.is_some_and(|found| found.is(wanted)) {
        let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
        differences.note(format!("{direction} limit at {}", link.name), wanted, found);
    }
    Ok(())
}

/// The ifb that has one of the owner's names and its id.
fn owned(socket: &mut Socket, wanted: &PodNetwork) -> Result<Option<Link>, NetlinkError> {
    for name in wanted.owner.link_names(LinkPrefix::IFB) {
        let is_ours = |link: &Link| {
            let label = link.alias.as_deref().and_then(Label::parse);
            link.is_ifb() && label.is_some_and(|label| label.id == wanted.owner.id())
        };
        if let Some(link) = link::by_name(socket, &name)?.filter(is_ours) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}
