//! The limits of a pod whose interface others have made, by the names of the reference bandwidth plugin.
//!
//! Nothing is known of the pod but its namespace and its link in there. The ifb has the owner's alias too, by which GC finds
//! it.

use netlink_packet_route::link::InfoKind;
use nix::errno::Errno;

use crate::{
    Difference, Label, LinkName, MacAddr, Netns, NetnsError, Owner, Peers, Shaping, TokenBucket,
    difference::Differences,
    netlink::{NetlinkError, Protocol, Request, Socket},
    reference::limit_link,
    rtnl::{
        change,
        link::{self, Link},
        tc::{self, class, filter, selection},
    },
    sysctl,
    verify::shaping::{difference, filters, note_limit},
};

/// Why a pod could not be limited.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A request to the kernel failed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The pod has no such link, or one that does not end here.
    #[error("link {name} in {} is no end of a pair of veth links whose other end is on this node", netns.display())]
    NoOuterEnd {
        /// The link.
        name: LinkName,
        /// The pod's namespace.
        netns: std::path::PathBuf,
    },
    /// An earlier ADD or another program has made what was to be made.
    #[error("cannot limit {link}: it is limited already, or {object} is in the way")]
    InTheWay {
        /// The host's end of the pod's link.
        link: String,
        /// What was to be made.
        object: String,
        /// The kernel's answer.
        #[source]
        source: NetlinkError,
    },
    /// The ifb was made and is gone.
    #[error("link {name} vanished while it was set up")]
    Vanished {
        /// The ifb.
        name: LinkName,
    },
}

/// The host's end of a pod's link.
#[derive(Debug, Clone)]
pub struct OuterEnd {
    link: Link,
}

impl OuterEnd {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.link.name
    }
}

/// The host's end of the pod's link `name`.
pub fn outer_end(netns: &Netns, name: &LinkName) -> Result<OuterEnd, LimitError> {
    let pod_end = netns.run(|| link::by_name(&mut Socket::open(Protocol::Route)?, name))??;
    let mut socket = Socket::open(Protocol::Route)?;
    let pod_end = pod_end.filter(Link::is_veth);
    let host_end = match pod_end.as_ref().and_then(|pod_end| pod_end.peer) {
        Some(index) => link::by_index(&mut socket, index)?,
        None => None,
    };
    let is_peer = |link: &Link| link.is_veth() && link.peer == pod_end.as_ref().map(|pod_end| pod_end.index);
    let none = || LimitError::NoOuterEnd { name: name.clone(), netns: netns.path().to_owned() };
    host_end.filter(is_peer).map(|link| OuterEnd { link }).ok_or_else(none)
}

/// Limits what goes through the host's end, with an ifb where sending is limited, which is returned with its Ethernet
/// address. An error leaves nothing behind.
pub fn limit(
    host: &OuterEnd,
    shaping: &Shaping,
    owner: &Owner,
) -> Result<Option<(LinkName, MacAddr)>, LimitError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let mut undo = Vec::new();
    let limited = make(&mut socket, &host.link, shaping, owner, &mut undo);
    if limited.is_err() {
        for request in undo.iter().rev() {
            if let Err(error) = Socket::open(Protocol::Route).and_then(|mut socket| socket.execute(request)) {
                tracing::warn!(error = &error as &dyn std::error::Error, "could not take back a step");
            }
        }
    }
    limited
}

fn make(
    socket: &mut Socket,
    host: &Link,
    shaping: &Shaping,
    owner: &Owner,
    undo: &mut Vec<Request>,
) -> Result<Option<(LinkName, MacAddr)>, LimitError> {
    let Link { name, index, mtu, .. } = host;
    if let Some(bucket) = shaping.ingress {
        let some = selection::receive_some(name, *index, bucket, &shaping.peers);
        let requests = some.unwrap_or_else(|| vec![tc::shape_like_reference(name, *index, bucket)]);
        let stop = tc::stop_shaping(name, *index);
        run(socket, &requests, &stop, undo).map_err(in_the_way(name, "another queueing discipline"))?;
    }
    let Some(bucket) = shaping.egress else { return Ok(None) };
    let ifb = limit_link(owner);
    let created = socket.execute(&change::create_ifb(&ifb, owner.mac(), *mtu));
    created.map_err(in_the_way(name, ifb.as_str()))?;
    let made = link::by_name(socket, &ifb)?.ok_or_else(|| LimitError::Vanished { name: ifb.clone() })?;
    undo.push(change::delete(&made.name, made.index));
    socket.batch(&[
        tc::shape_like_reference(&made.name, made.index, bucket),
        change::mark_ifb(&ifb, made.index, owner.alias(), sysctl::has_ipv6()),
        change::switch_on(&ifb, made.index),
    ])?;
    let requests = selection::send_by(name, *index, made.index, &shaping.peers);
    let stop = filter::stop_seeing(name, *index);
    run(socket, &requests, &stop, undo).map_err(in_the_way(name, "a discipline for what arrives"))?;
    Ok(Some((ifb, owner.mac())))
}

/// The error of a request that makes what may be there already.
fn in_the_way(link: &str, object: &str) -> impl FnOnce(NetlinkError) -> LimitError {
    let (link, object) = (link.to_owned(), object.to_owned());
    move |source| match source.errno() {
        Some(Errno::EEXIST) => LimitError::InTheWay { link, object, source },
        _ => source.into(),
    }
}

/// Carries out the requests, the first of which makes what the others need and `reverse` takes away.
fn run(
    socket: &mut Socket,
    requests: &[Request],
    reverse: &Request,
    undo: &mut Vec<Request>,
) -> Result<(), NetlinkError> {
    let Some((first, others)) = requests.split_first() else { return Ok(()) };
    socket.execute(first)?;
    undo.push(reverse.clone());
    if others.is_empty() { Ok(()) } else { socket.batch(others) }
}

/// How the limits differ from what [`limit`] made, or the reference bandwidth plugin.
pub fn check_limits(
    host: &OuterEnd,
    shaping: &Shaping,
    owner: &Owner,
) -> Result<Vec<Difference>, LimitError> {
    let ifb = &limit_link(owner);
    let differences = compare(host, shaping, &shaping.peers, ifb)?;
    // The reference plugin limits all: since its version 1.6 it does not know lists of subnets.
    if !differences.is_empty() && compare(host, shaping, &Peers::All, ifb)?.is_empty() {
        return Ok(Vec::new());
    }
    Ok(differences)
}

fn compare(
    OuterEnd { link: host }: &OuterEnd,
    shaping: &Shaping,
    peers: &Peers,
    ifb: &LinkName,
) -> Result<Vec<Difference>, LimitError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let mut differences = Differences::default();
    if let Some(bucket) = shaping.ingress {
        let differs = if *peers == Peers::All {
            literal_difference(&mut socket, host, bucket)?
        } else {
            difference(class::bucket(&mut socket, host.index)?, |found| found == class::wanted(bucket))
        };
        note_limit("ingress", host, bucket, differs, &mut differences);
        let object = format!("selection of what leaves by {}", host.name);
        let wanted = selection::receiving(peers);
        filters(&mut socket, (host, class::ROOT), &wanted, object, &mut differences)?;
    }
    let Some(bucket) = shaping.egress else { return Ok(differences.0) };
    let Some(ifb) = link::by_name(&mut socket, ifb)?.filter(Link::is_ifb) else {
        differences.missing(format!("ifb link {ifb}"));
        return Ok(differences.0);
    };
    if !ifb.is_up {
        differences.note(format!("ifb link {}", ifb.name), "up", "down");
    }
    let differs = literal_difference(&mut socket, &ifb, bucket)?;
    note_limit("egress", &ifb, bucket, differs, &mut differences);
    let object = format!("redirection of what arrives by {}", host.name);
    let wanted = selection::sending(ifb.index, peers);
    filters(&mut socket, (host, filter::ARRIVING), &wanted, object, &mut differences)?;
    Ok(differences.0)
}

/// What is found at the link instead of the bucket, if it is another.
fn literal_difference(
    socket: &mut Socket,
    link: &Link,
    bucket: TokenBucket,
) -> Result<Option<String>, NetlinkError> {
    let is_right = |found: tc::Tbf| found.is_like_reference(bucket) || found.is(bucket);
    Ok(difference(tc::bucket(socket, link.index)?, is_right))
}

/// Removes the ifb of the owner's container, if there is one; what is set at a pod's link goes with that.
pub fn lift_limits(owner: &Owner) -> Result<(), NetlinkError> {
    let ifb = &limit_link(owner);
    let mut socket = Socket::open(Protocol::Route)?;
    match link::by_name(&mut socket, ifb)?.filter(Link::is_ifb) {
        Some(ifb) => match socket.execute(&change::delete(&ifb.name, ifb.index)) {
            Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(()),
            deleted => deleted,
        },
        None => Ok(()),
    }
}

/// Whose the ifbs are that [`limit`] made on this node.
pub fn limited_owners() -> Result<Vec<Owner>, NetlinkError> {
    let links = link::list(&mut Socket::open(Protocol::Route)?, InfoKind::Ifb)?;
    let labels = links.iter().filter_map(|link| {
        let owner = Label::parse(link.alias.as_deref()?)?.owner()?;
        (link.name == limit_link(&owner).as_str()).then_some(owner)
    });
    Ok(labels.collect())
}
