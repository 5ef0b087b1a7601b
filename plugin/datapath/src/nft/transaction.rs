//! Transactions: changes that take effect together or not at all.
//!
//! Each transaction gives the rules of the network namespace, all programs' together, a new generation
//! number. One that names a generation is refused (`ERESTART`) unless it is still the current one: what was
//! read before it is then still true when it acts, without a lock.
//!
//! What a transaction deletes is freed after a grace period of the kernel (about 15 ms). The transaction does
//! not wait for it, but closing a netfilter socket of the namespace does (`nft_rcv_nl_event`), be it another
//! one: who deletes more, links for instance, does that between the transaction and the close, so that both
//! wait only once.

use netlink_packet_core::NLM_F_ACK;
use nix::errno::Errno;

use super::{
    NftError,
    attribute::find,
    message::{self, NO_FAMILY, Operation},
};
use crate::netlink::{NetlinkError, Request, Socket};

/// Carries out all of `changes`, or none if one fails; with a generation, only as long as it is the current
/// one.
pub(super) fn commit(
    socket: &mut Socket,
    generation: Option<u32>,
    changes: Vec<Request>,
) -> Result<(), NetlinkError> {
    let mut batch = vec![message::begin(generation)];
    batch.extend(changes);
    batch.push(message::end());
    socket.batch(&batch)
}

/// Carries out the changes that `plan` makes of what it reads, if there are any, and returns how many there
/// were.
///
/// They are made only if nothing changed since before `plan` read; else it reads again, which is cheap: the
/// kernel refuses such a transaction without looking at it. Each refusal means that another program succeeded
/// within the microseconds that `plan` takes, so that the limit on attempts is never reached by chance.
pub(super) fn commit_what_is_read(
    socket: &mut Socket,
    mut plan: impl FnMut(&mut Socket) -> Result<Vec<Request>, NftError>,
) -> Result<usize, NftError> {
    const ATTEMPTS: u32 = 100;
    let mut attempts = 0;
    loop {
        let generation = generation(socket).map_err(NftError::reading)?;
        let changes = plan(socket)?;
        if changes.is_empty() {
            return Ok(0);
        }
        let count = changes.len();
        attempts += 1;
        match commit(socket, Some(generation), changes) {
            Ok(()) => return Ok(count),
            // `EBUSY`: a map is being resized and has no place just now.
            Err(error) if is_passing(&error) && attempts < ATTEMPTS => {}
            Err(error) => return Err(NftError::changing(error)),
        }
    }
}

fn is_passing(error: &NetlinkError) -> bool {
    matches!(error.errno(), Some(Errno::ERESTART | Errno::EBUSY))
}

/// The current generation of the namespace's rules.
fn generation(socket: &mut Socket) -> Result<u32, NetlinkError> {
    const ID: u16 = 1;
    let what = "get the generation of the nf_tables rules";
    let request = message::request(what, Operation::GetGeneration, NLM_F_ACK, NO_FAMILY, |_| {});
    let replies = socket.query(&request)?;
    let id = replies.first().and_then(|reply| find(message::attributes(reply), ID));
    let id = id.and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
    id.ok_or(NetlinkError::Malformed { request: what.to_owned(), problem: "it has no generation" })
}
