//! What is in memory: `/debug/…`.

use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use podnet_daemon_kit::http;
use podnet_ipam_api::debug::{
    AddressesReply, AddressesRequest, IpState, PodContextReply, RestData, RestDataReply,
};
use podnet_ipam_api::{Response, ReturnCode, decode, encode, path};
use serde::Serialize;

use super::{Answered, Server};
use crate::actor::{Actor, Unavailable};

/// All that an address can be.
const STATES: [IpState; 5] = [
    IpState::PendingProgramming,
    IpState::Available,
    IpState::Assigned,
    IpState::CoolingDown,
    IpState::PendingRelease,
];

/// None: there is no such page.
pub(super) async fn answer(server: &Server, path: &str, request: &Request<Bytes>) -> Option<Answered> {
    Some(match path {
        path::DEBUG_ADDRESSES => match states(request.body()) {
            Ok(states) => {
                let look = server.actor.look(move |actor| actor.addresses(&states)).await;
                told(
                    path::DEBUG_ADDRESSES,
                    look.map(|addresses| AddressesReply {
                        addresses: Some(addresses),
                        response: Response::default(),
                    }),
                )
            }
            Err(error) => Answered::undecodable(path::DEBUG_ADDRESSES, &error),
        },
        path::DEBUG_POD_CONTEXT => {
            let look = server.actor.look(Actor::names_by_pod).await;
            told(
                path::DEBUG_POD_CONTEXT,
                look.map(|pod_context| PodContextReply { pod_context, response: Response::default() }),
            )
        }
        path::DEBUG_REST_DATA => {
            let look = server.actor.look(|actor| {
                let addresses = actor.addresses(&STATES).into_iter();
                RestData {
                    addresses_by_pod: actor.names_by_pod(),
                    addresses: addresses.map(|status| (status.id.clone(), status)).collect(),
                }
            });
            told(
                path::DEBUG_REST_DATA,
                look.await.map(|data| RestDataReply { data, response: Response::default() }),
            )
        }
        path::DEBUG_STATUS => match server.actor.look(Actor::status).await {
            Ok(status) => {
                let answer = http::answer(StatusCode::OK, "application/json", encode(&status));
                Answered { answer, url: path::DEBUG_STATUS, outcome: "Success" }
            }
            Err(error) => Answered::unavailable(path::DEBUG_STATUS, &error),
        },
        _ => return None,
    })
}

/// No body, no filter, an empty filter: every address.
fn states(body: &[u8]) -> Result<Vec<IpState>, podnet_ipam_api::WireError> {
    if body.is_empty() {
        return Ok(STATES.to_vec());
    }
    let filter = decode::<AddressesRequest>(body)?.state_filter.unwrap_or_default();
    Ok(if filter.is_empty() { STATES.to_vec() } else { filter })
}

fn told<T: Serialize>(url: &'static str, look: Result<T, Unavailable>) -> Answered {
    match look {
        Ok(reply) => Answered::new(url, ReturnCode::SUCCESS, &reply),
        Err(error) => Answered::unavailable(url, &error),
    }
}
