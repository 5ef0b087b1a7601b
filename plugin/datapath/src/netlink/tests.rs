//! The protocol's oddities, as the kernel would send them.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLMSG_DONE,
    NLMSG_ERROR,
};
use nix::errno::Errno;
use proptest::prelude::*;

use super::{NetlinkError, Reply, Request, exchange::Exchange};

const NEW_LINK: u16 = 16;

/// Builds datagrams message by message.
#[derive(Debug, Default)]
struct Datagram(Vec<u8>);

impl Datagram {
    fn message(mut self, kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Self {
        let length = u32::try_from(16 + body.len()).unwrap();
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(flags.to_ne_bytes());
        self.0.extend(sequence.to_ne_bytes());
        self.0.extend([0; 4]);
        self.0.extend(body);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn ack(self, sequence: u32) -> Self {
        self.refusal(sequence, 0, NLM_F_CAPPED, &[])
    }

    fn refusal(self, sequence: u32, code: i32, flags: u16, after_request: &[u8]) -> Self {
        let request = [&20u32.to_ne_bytes()[..], &[0; 12]].concat();
        let body = [&code.to_ne_bytes()[..], &request, after_request].concat();
        self.message(NLMSG_ERROR, flags, sequence, &body)
    }
}

fn change(what: &'static str) -> Request {
    Request::new(what, NEW_LINK, NLM_F_ACK, Vec::new())
}

fn dump() -> Request {
    Request::new("list links", 18, NLM_F_DUMP, Vec::new())
}

/// `NLMSGERR_ATTR_OFFS` = 4, then `NLMSGERR_ATTR_MSG` = "no".
const EXTENDED: [u8; 16] = [8, 0, 2, 0, 4, 0, 0, 0, 7, 0, 1, 0, b'n', b'o', 0, 0];

fn refused(error: NetlinkError) -> (String, Errno, Option<String>) {
    match error {
        NetlinkError::Refused { request, errno, message } => (request, errno, message),
        other => panic!("{other}"),
    }
}

fn problem(error: NetlinkError) -> &'static str {
    match error {
        NetlinkError::Malformed { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn a_batch_is_over_with_its_last_answer_and_reports_the_first_failure() {
    let requests = [change("one"), change("two"), change("three")];
    let mut exchange = Exchange::of_each(&requests, 5);
    exchange.receive(&Datagram::default().ack(5).refusal(7, -17, NLM_F_CAPPED, &[]).0).unwrap();
    assert!(!exchange.is_over());
    exchange.receive(&Datagram::default().refusal(6, -1, NLM_F_CAPPED, &[]).0).unwrap();
    assert!(exchange.is_over());
    assert_eq!(refused(exchange.finish().unwrap_err()), ("two".to_owned(), Errno::EPERM, None));
}

#[test]
fn each_request_of_a_batch_has_its_own_answer() {
    let requests = [change("one"), change("two"), change("three")];
    let mut exchange = Exchange::of_each(&requests, 5);
    let answers = Datagram::default().refusal(5, -17, NLM_F_CAPPED, &[]).ack(6);
    exchange.receive(&answers.refusal(7, -3, NLM_F_CAPPED, &[]).0).unwrap();
    assert!(exchange.is_over());
    let errnos: Vec<_> =
        exchange.refusals().iter().map(|refusal| refusal.as_ref().and_then(NetlinkError::errno)).collect();
    assert_eq!(errnos, [Some(Errno::EEXIST), None, Some(Errno::ESRCH)]);
}

#[test]
fn the_last_change_speaks_for_all_but_for_the_first_that_is_refused() {
    let requests = [change("one"), change("two"), change("three")];
    let exchange = || Exchange::of_all(&requests, 5);
    let sent = exchange().datagram();
    let flags: Vec<u16> = sent.chunks(16).map(|header| u16::from_ne_bytes([header[6], header[7]])).collect();
    assert_eq!(flags, [1, 1, 1 | NLM_F_ACK]);

    let mut all_well = exchange();
    assert!(!all_well.is_over());
    all_well.receive(&Datagram::default().ack(7).0).unwrap();
    assert!(all_well.is_over() && all_well.finish().is_ok());

    let mut second_refused = exchange();
    second_refused.receive(&Datagram::default().refusal(6, -17, NLM_F_CAPPED, &[]).0).unwrap();
    assert!(second_refused.is_over());
    assert_eq!(refused(second_refused.finish().unwrap_err()), ("two".to_owned(), Errno::EEXIST, None));

    // What is left unread of it belongs to an earlier exchange.
    let next = [change("four")];
    let mut next = Exchange::of_all(&next, 8);
    next.receive(&Datagram::default().ack(7).0).unwrap();
    assert!(!next.is_over());
}

#[test]
fn a_question_is_answered_by_its_object_or_by_a_refusal() {
    let questions = [Request::question("one", 18, Vec::new()), Request::question("two", 18, Vec::new())];
    let mut exchange = Exchange::of_all(&questions, 1);
    exchange.receive(&Datagram::default().message(NEW_LINK, 0, 1, &[7]).0).unwrap();
    assert!(!exchange.is_over());
    exchange.receive(&Datagram::default().refusal(2, -19, NLM_F_CAPPED, &[]).0).unwrap();
    assert!(exchange.is_over());
    assert_eq!(refused(exchange.finish().unwrap_err()).1, Errno::ENODEV);
}

#[test]
fn the_kernels_words_are_found_behind_a_capped_and_a_whole_request() {
    let requests = [change("one")];
    for (flags, after_header) in [
        (NLM_F_CAPPED | NLM_F_ACK_TLVS, EXTENDED.to_vec()),
        (NLM_F_ACK_TLVS, [&[9; 4][..], &EXTENDED].concat()), // the request has 20 bytes
    ] {
        let mut exchange = Exchange::of_each(&requests, 1);
        exchange.receive(&Datagram::default().refusal(1, -22, flags, &after_header).0).unwrap();
        let expected = ("one".to_owned(), Errno::EINVAL, Some("no".to_owned()));
        assert_eq!(refused(exchange.finish().unwrap_err()), expected);
    }
}

#[test]
fn an_unasked_request_is_answered_only_by_its_failure() {
    let requests = [Request::new("begin", 16, 0, Vec::new()), change("element")];
    let mut exchange = Exchange::of_each(&requests, 1);
    exchange.receive(&Datagram::default().ack(2).0).unwrap();
    assert!(exchange.is_over());

    let mut exchange = Exchange::of_each(&requests, 1);
    exchange.receive(&Datagram::default().refusal(1, -1, NLM_F_CAPPED, &[]).0).unwrap();
    assert!(exchange.is_over());
    assert_eq!(refused(exchange.finish().unwrap_err()).0, "begin");
}

#[test]
fn a_dump_ends_with_done_and_keeps_the_order() {
    let requests = [dump()];
    let mut exchange = Exchange::of_each(&requests, 1);
    let first = Datagram::default().message(NEW_LINK, NLM_F_MULTIPART, 1, &[1]).message(
        NEW_LINK,
        NLM_F_MULTIPART,
        1,
        &[2, 3],
    );
    exchange.receive(&first.0).unwrap();
    assert!(!exchange.is_over());
    exchange.receive(&Datagram::default().message(NLMSG_DONE, NLM_F_MULTIPART, 1, &[0; 4]).0).unwrap();
    assert!(exchange.is_over() && !exchange.is_interrupted());
    let expected = [vec![1], vec![2, 3]].map(|body| Reply { kind: NEW_LINK, body });
    assert_eq!(exchange.finish().unwrap(), expected);
}

#[test]
fn an_interrupted_dump_is_told_wherever_the_flag_is() {
    for flags in [[NLM_F_DUMP_INTR, 0], [0, NLM_F_DUMP_INTR]] {
        let requests = [dump()];
        let mut exchange = Exchange::of_each(&requests, 1);
        let datagram = Datagram::default()
            .message(NEW_LINK, flags[0], 1, &[1])
            .message(NLMSG_DONE, flags[1], 1, &[0; 4]);
        exchange.receive(&datagram.0).unwrap();
        assert!(exchange.is_over() && exchange.is_interrupted());
    }
}

#[test]
fn a_dump_may_end_with_an_error() {
    let requests = [dump()];
    let mut exchange = Exchange::of_each(&requests, 1);
    let body = [&(-95i32).to_ne_bytes()[..], &EXTENDED].concat();
    exchange.receive(&Datagram::default().message(NLMSG_DONE, NLM_F_ACK_TLVS, 1, &body).0).unwrap();
    let expected = ("list links".to_owned(), Errno::EOPNOTSUPP, Some("no".to_owned()));
    assert_eq!(refused(exchange.finish().unwrap_err()), expected);
}

#[test]
fn answers_to_earlier_exchanges_are_dropped_and_to_later_ones_refused() {
    let requests = [change("one")];
    // The numbers go round after 2^32.
    for (first, earlier) in [(9, 8), (0, u32::MAX)] {
        let mut exchange = Exchange::of_each(&requests, first);
        exchange.receive(&Datagram::default().refusal(earlier, -1, 0, &[]).0).unwrap();
        assert!(!exchange.is_over());
    }
    let mut exchange = Exchange::of_each(&requests, 9);
    let error = exchange.receive(&Datagram::default().ack(10).0).unwrap_err();
    assert_eq!(problem(error), "an answer to a request that was not made");
}

#[test]
fn broken_framing_is_an_error() {
    let whole = Datagram::default().ack(1).0;
    let requests = [change("one")];
    for length in 1..whole.len() {
        let mut exchange = Exchange::of_each(&requests, 1);
        let error = exchange.receive(&whole[..length]).unwrap_err();
        assert_eq!(problem(error), "a message is longer than its datagram", "{length}");
    }
    let mut exchange = Exchange::of_each(&requests, 1);
    let without_code = Datagram::default().message(NLMSG_ERROR, 0, 1, &[0; 3]).0;
    assert_eq!(
        problem(exchange.receive(&without_code).unwrap_err()),
        "an acknowledgement without error code"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_answer_or_error(bytes: Vec<u8>) {
        let requests = [change("one"), dump()];
        let mut exchange = Exchange::of_each(&requests, 0);
        drop(exchange.receive(&bytes));
        drop(exchange.finish());
    }

    #[test]
    fn any_body_of_any_kind_is_answer_or_error(
        kind in 0u16..20, flags: u16, sequence in 0u32..3, body: Vec<u8>,
    ) {
        let requests = [change("one"), dump()];
        let mut exchange = Exchange::of_each(&requests, 0);
        drop(exchange.receive(&Datagram::default().message(kind, flags, sequence, &body).0));
        drop(exchange.finish());
    }

    #[test]
    fn every_replied_object_is_kept_whole(bodies in prop::collection::vec(any::<Vec<u8>>(), 0..9)) {
        let requests = [dump()];
        let mut exchange = Exchange::of_each(&requests, 3);
        let objects = bodies.iter().fold(Datagram::default(), |datagram, body| {
            datagram.message(NEW_LINK, NLM_F_MULTIPART, 3, body)
        });
        exchange.receive(&objects.message(NLMSG_DONE, NLM_F_MULTIPART, 3, &[]).0).unwrap();
        prop_assert!(exchange.is_over());
        let read: Vec<_> = exchange.finish().unwrap().into_iter().map(|reply| reply.body).collect();
        prop_assert_eq!(read, bodies);
    }
}
