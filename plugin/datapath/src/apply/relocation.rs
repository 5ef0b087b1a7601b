//! Moving a link's addresses and routes to another link, without a moment in which the node has none.
//!
//! All of it is one datagram. The kernel works it off within one system call, so that a process that is killed has moved
//! everything or nothing; and every step may find itself done, so that two processes may move the same at once.
//! What is new comes before what is old goes: an address that another link has, too, takes no routes along when it goes.

use nix::errno::Errno;

use super::ApplyError;
use crate::{
    netlink::{Request, Socket},
    rtnl::{link::Link, told},
};

/// Answers that say that an object is there already.
const IS_THERE: &[Errno] = &[Errno::EEXIST];
/// Answers that say that an object is gone: addresses with the first of their subnet, routes with their address.
const IS_GONE: &[Errno] = &[Errno::EADDRNOTAVAIL, Errno::ESRCH];

/// Moves what is told of a link to another one, behind changes of the links themselves.
pub(super) fn relocate(
    host: &mut Socket,
    from: &Link,
    to: &Link,
    changes: Vec<Request>,
) -> Result<(), ApplyError> {
    let told = told::list(host, from.index)?;
    let steps = changes.into_iter().map(|change| (change, [].as_slice()));
    let said = told.iter().map(|told| (told.said_of(from.index, to.index), IS_THERE));
    let taken_off = told.iter().map(|told| (told.taken_off(), IS_GONE));
    let (requests, tolerated): (Vec<_>, Vec<_>) = steps.chain(said).chain(taken_off).unzip();
    let refusals = host.try_each(&requests)?.into_iter().zip(tolerated);
    let mut failures = refusals.filter_map(|(refusal, tolerated)| {
        refusal.filter(|refusal| !refusal.errno().is_some_and(|errno| tolerated.contains(&errno)))
    });
    failures.next().map_or(Ok(()), |failure| Err(failure.into()))
}
