//! Hears of links that are gone (rtnetlink(7), group `RTNLGRP_LINK`), so that nobody need look often.

use std::future::pending;
use std::pin::Pin;

use futures_util::{FutureExt, Stream, StreamExt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::{MulticastGroup, new_multicast_connection};

/// The kernel's news of links; none where they cannot be heard: then there is the interval.
pub(super) struct Links(Option<Pin<Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send>>>);

impl Links {
    /// Begins to listen.
    pub(super) fn watch() -> Self {
        match new_multicast_connection(&[MulticastGroup::Link]) {
            Ok((connection, _, messages)) => {
                tokio::spawn(connection);
                Self(Some(messages.map(|(message, _)| message).boxed()))
            }
            Err(error) => {
                tracing::warn!(%error, "links that go are seen at the next interval only");
                Self(None)
            }
        }
    }

    /// Waits until a link is gone, or may be.
    pub(super) async fn gone(&mut self) {
        while let Some(news) = &mut self.0 {
            match news.next().await.map(|message| message.payload) {
                // Overrun: the kernel had more to say than it could keep.
                Some(
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(_))
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
