//! The pod's limits, on the host's side.

use netlink_packet_route::tc::TcHandle;

use crate::{
    Label, LinkPrefix, Peers, PodNetwork, Shaping, TokenBucket,
    difference::Differences,
    netlink::{NetlinkError, Socket},
    rtnl::{
        link::{self, Link},
        tc::{
            self, Tbf, class,
            filter::{self, Filter},
            selection,
        },
    },
};

/// Looks at the limits of the pod whose host's end is `host`. Where none is wanted, another plugin may have set one.
pub(super) fn verify(
    socket: &mut Socket,
    wanted: &PodNetwork,
    host: &Link,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    let Shaping { ingress, egress, peers } = &wanted.shaping;
    if let Some(bucket) = ingress.map(|bucket| bucket.for_mtu(host.mtu)) {
        let differs = if *peers == Peers::All {
            difference(tc::bucket(socket, host.index)?, |found| found.is(bucket))
        } else {
            difference(class::bucket(socket, host.index)?, |found| found == class::wanted(bucket))
        };
        note_limit("ingress", host, bucket, differs, differences);
        let object = format!("selection of what leaves by {}", host.name);
        filters(socket, (host, class::ROOT), &selection::receiving(peers), object, differences)?;
    }
    let Some(bucket) = egress else { return Ok(()) };
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
    let bucket = bucket.for_mtu(ifb.mtu);
    let differs = difference(tc::bucket(socket, ifb.index)?, |found| found.is(bucket));
    note_limit("egress", &ifb, bucket, differs, differences);
    let object = format!("redirection of what arrives by {}", host.name);
    filters(socket, (host, filter::ARRIVING), &selection::sending(ifb.index, peers), object, differences)
}

/// What is found instead of a bucket, if it is not the right one.
pub(crate) fn difference(found: Option<Tbf>, is_right: impl FnOnce(Tbf) -> bool) -> Option<String> {
    match found {
        None => Some("none".to_owned()),
        Some(found) if is_right(found) => None,
        Some(found) => Some(found.to_string()),
    }
}

/// Notes what is found instead of the limit of a direction.
pub(crate) fn note_limit(
    direction: &str,
    link: &Link,
    wanted: TokenBucket,
    found: Option<String>,
    differences: &mut Differences,
) {
    if let Some(found) = found {
        differences.note(format!("{direction} limit at {}", link.name), wanted, found);
    }
}

/// Compares the filters at a place of a link. Others may have added some.
pub(crate) fn filters(
    socket: &mut Socket,
    (link, parent): (&Link, TcHandle),
    wanted: &[Filter],
    object: String,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let found = filter::list(socket, link.index, parent)?;
    let missing = wanted.iter().filter(|filter| !found.contains(&filter.installed())).count();
    if missing > 0 {
        let wanted = wanted.len();
        differences.note(object, format!("{wanted} filters"), format!("{} of them", wanted - missing));
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
