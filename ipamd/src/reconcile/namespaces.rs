//! Hears of network namespaces that are gone (rtnetlink(7), group `RTNLGRP_NSID`), so that nobody need look often.
//!
//! The kernel tells of each to which a link of the node leads. Of links it would tell too, but with a long message for each
//! step of every ADD, in which it looks up the pod's namespace among all others.

use std::future::pending;
use std::pin::Pin;

use futures_util::{FutureExt, Stream, StreamExt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::{MulticastGroup, new_multicast_connection};

/// The kernel's news; none where they cannot be heard: then there is the interval.
pub(super) struct Namespaces(Option<Pin<Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send>>>);

impl Namespaces {
    /// Begins to listen.
    pub(super) fn watch() -> Self {
        match new_multicast_connection(&[MulticastGroup::Nsid]) {
            Ok((connection, _, messages)) => {
                tokio::spawn(connection);
                Self(Some(messages.map(|(message, _)| message).boxed()))
            }
            Err(error) => {
                tracing::warn!(%error, "namespaces that go are seen at the next interval only");
                Self(None)
            }
        }
    }

    /// Waits until one is gone, or may be.
    pub(super) async fn gone(&mut self) {
        while let Some(news) = &mut self.0 {
            match news.next().await.map(|message| message.payload) {
                // Overrun: the kernel had more to say than it could keep.
                Some(
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelNsId(_))
                    | NetlinkPayload::Overrun(_),
                ) => {
                    return;
                }
                Some(_) => {}
                None => self.0 = None,
            }
        }
        pending::<()>().await;
    }

    /// Forgets what was heard until now.
    pub(super) fn forget(&mut self) {
        if let Some(news) = &mut self.0 {
            while news.next().now_or_never().flatten().is_some() {}
        }
    }
}
