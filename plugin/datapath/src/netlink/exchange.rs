//! When is an exchange over, and how did it end?
//!
//! An exchange is the requests of one datagram and everything the kernel says about them. It is over when
//! every request that asked for an answer has one: an acknowledgement, or a dump's `NLMSG_DONE`. A request
//! that asked for none (the `BEGIN` of an `nf_tables` batch) is answered only if it failed, and then nothing
//! behind it was looked at: that too ends the exchange.

use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};

use super::{
    NetlinkError, Request,
    frame::{self, Message, Status},
};

/// One object of a query's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `nlmsg_type`, for example `RTM_NEWLINK`.
    pub kind: u16,
    /// What follows the netlink header.
    pub body: Vec<u8>,
}

/// The requests of one datagram, the first numbered `first`, the others following it.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    requests: &'a [Request],
    first: u32,
    answers: Vec<Option<Status>>,
    interrupted: bool,
    replies: Vec<Reply>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(requests: &'a [Request], first: u32) -> Self {
        let answers = requests.iter().map(|_| None).collect();
        Self { requests, first, answers, interrupted: false, replies: Vec::new() }
    }

    /// Takes one datagram of the kernel.
    pub(super) fn receive(&mut self, datagram: &[u8]) -> Result<(), NetlinkError> {
        for message in frame::messages(datagram) {
            message.and_then(|message| self.take(message)).map_err(|problem| NetlinkError::Malformed {
                request: self.requests.first().map(|request| request.what().to_owned()).unwrap_or_default(),
                problem,
            })?;
        }
        Ok(())
    }

    /// Notes that a part of a dump was lost.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    pub(super) fn is_over(&self) -> bool {
        let mut answered = self.requests.iter().zip(&self.answers);
        answered.all(|(request, answer)| answer.is_some() || !request.is_answered())
            || self.requests.iter().zip(&self.answers).any(|(request, answer)| {
                !request.is_answered() && matches!(answer, Some(Status::Refused { .. }))
            })
    }

    /// Whether the objects are a mixture of two states of the kernel, so that the dump must be repeated.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// The objects, or the first request that the kernel refused.
    pub(super) fn finish(self) -> Result<Vec<Reply>, NetlinkError> {
        match refusals(self.requests, self.answers).flatten().next() {
            Some(refusal) => Err(refusal),
            None => Ok(self.replies),
        }
    }

    /// For each request whether the kernel refused it, and why.
    pub(super) fn refusals(self) -> Vec<Option<NetlinkError>> {
        refusals(self.requests, self.answers).collect()
    }

    fn take(&mut self, message: Message<'_>) -> Result<(), &'static str> {
        let place = message.sequence.wrapping_sub(self.first);
        let Some(answer) = usize::try_from(place).ok().and_then(|place| self.answers.get_mut(place)) else {
            // What an earlier exchange left unread after its failure has a lower number.
            let is_earlier = place > u32::MAX / 2;
            return if is_earlier { Ok(()) } else { Err("an answer to a request that was not made") };
        };
        self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        match message.kind {
            NLMSG_ERROR => *answer = Some(frame::acknowledgement(message)?),
            NLMSG_DONE => *answer = Some(frame::done(message)?),
            NLMSG_NOOP => {}
            NLMSG_OVERRUN => self.interrupted = true,
            kind => self.replies.push(Reply { kind, body: message.body.to_vec() }),
        }
        Ok(())
    }
}

fn refusals(
    requests: &[Request],
    answers: Vec<Option<Status>>,
) -> impl Iterator<Item = Option<NetlinkError>> {
    requests.iter().zip(answers).map(|(request, answer)| match answer {
        Some(Status::Refused { errno, message }) => {
            Some(NetlinkError::Refused { request: request.what().to_owned(), errno, message })
        }
        Some(Status::Success) | None => None,
    })
}
