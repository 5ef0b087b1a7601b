//! When is an exchange over, and how did it end?
//!
//! An exchange is the requests of one datagram and everything the kernel says about them. It is over when
//! every request of which an answer is awaited has one: an acknowledgement, a dump's `NLMSG_DONE`, the object that
//! was asked for. A request of which none is awaited (the `BEGIN` of an `nf_tables` batch, all changes of a datagram
//! but the last) is answered only if it failed. That too ends the exchange: requests are answered in their order, so
//! that it was the first one.

use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};

use super::{
    NetlinkError, Request,
    frame::{self, Message, Status},
    request::Answer,
};

/// One object of a query's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `nlmsg_type`, for example `RTM_NEWLINK`.
    pub kind: u16,
    /// What follows the netlink header.
    pub body: Vec<u8>,
}

/// The requests of one datagram, the first numbered `first`, the others following it, and what is awaited of each.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    requests: &'a [Request],
    awaited: Vec<Answer>,
    first: u32,
    answers: Vec<Option<Status>>,
    interrupted: bool,
    replies: Vec<Reply>,
}

impl<'a> Exchange<'a> {
    /// An exchange in which each request is answered as it asks.
    pub(super) fn of_each(requests: &'a [Request], first: u32) -> Self {
        Self::new(requests, requests.iter().map(Request::answer).collect(), first)
    }

    /// An exchange in which the last change speaks for all before it: each acknowledgement is a datagram of its own.
    pub(super) fn of_all(requests: &'a [Request], first: u32) -> Self {
        let last = requests.iter().rposition(|request| request.answer() == Answer::Word);
        let awaited = requests.iter().enumerate().map(|(place, request)| match request.answer() {
            Answer::Word if Some(place) != last => Answer::Nothing,
            answer => answer,
        });
        Self::new(requests, awaited.collect(), first)
    }

    fn new(requests: &'a [Request], awaited: Vec<Answer>, first: u32) -> Self {
        let answers = requests.iter().map(|_| None).collect();
        Self { requests, awaited, first, answers, interrupted: false, replies: Vec::new() }
    }

    pub(super) fn requests(&self) -> &'a [Request] {
        self.requests
    }

    /// What is sent.
    pub(super) fn datagram(&self) -> Vec<u8> {
        let mut datagram = Vec::new();
        for (place, (request, awaited)) in (0..).zip(self.requests.iter().zip(&self.awaited)) {
            request.encode(self.first.wrapping_add(place), *awaited, &mut datagram);
        }
        datagram
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
        let mut answers = self.awaited.iter().zip(&self.answers);
        answers.clone().all(|(awaited, answer)| answer.is_some() || *awaited == Answer::Nothing)
            || answers.any(|(awaited, answer)| {
                *awaited == Answer::Nothing && matches!(answer, Some(Status::Refused { .. }))
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
        let distance = message.sequence.wrapping_sub(self.first);
        let place = usize::try_from(distance).unwrap_or(usize::MAX);
        let (Some(answer), Some(awaited)) = (self.answers.get_mut(place), self.awaited.get(place)) else {
            // What an earlier exchange left unread after its failure has a lower number.
            let is_earlier = distance > u32::MAX / 2;
            return if is_earlier { Ok(()) } else { Err("an answer to a request that was not made") };
        };
        self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        match message.kind {
            NLMSG_ERROR => *answer = Some(frame::acknowledgement(message)?),
            NLMSG_DONE => *answer = Some(frame::done(message)?),
            NLMSG_NOOP => {}
            NLMSG_OVERRUN => self.interrupted = true,
            kind => {
                if *awaited == Answer::Object {
                    *answer = Some(Status::Success);
                }
                self.replies.push(Reply { kind, body: message.body.to_vec() });
            }
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
