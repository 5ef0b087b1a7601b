//! Addresses for pods, and back: the four paths that matter.

use std::net::IpAddr;
use std::time::Instant;

use podnet_daemon_kit::Chain;
use podnet_ipam_api::{
    IpConfigReply, IpConfigRequest, IpConfigsReply, IpConfigsRequest, PodRef, ReturnCode, decode, encode,
    path,
};
use podnet_ipam_core::{Attachment, Identity, Key, Refused, Released, Request};

use super::{Answered, Server};
use crate::actor::Actor;
use crate::clock;

/// `requestipconfigs`: one address of each family.
pub(super) async fn request(server: &Server, body: &[u8], began: Instant) -> Answered {
    const URL: &str = path::REQUEST_IP_CONFIGS;
    let request: IpConfigsRequest = match decode(body) {
        Ok(request) => request,
        Err(error) => return Answered::undecodable(URL, &error),
    };
    match assign(server, &request, began).await {
        Ok(reply) => Answered::new(URL, reply.response.return_code, &reply),
        Err(reason) => Answered::unavailable(URL, &reason),
    }
}

/// `requestipconfig`: the same for a pool of one family.
pub(super) async fn request_one(server: &Server, body: &[u8], began: Instant) -> Answered {
    const URL: &str = path::REQUEST_IP_CONFIG;
    let request: IpConfigRequest = match decode(body) {
        Ok(request) => request,
        Err(error) => return Answered::undecodable(URL, &error),
    };
    let families = server.actor.look(Actor::families_offered).await;
    let reply = match families {
        Ok(families) if families > 1 => {
            let says = format!("the pool has {families} families, and this request is for one address");
            Ok(IpConfigsReply::failure(ReturnCode::INVALID_REQUEST, says))
        }
        Ok(_) => assign(server, &request.into(), began).await,
        Err(error) => Err(error.to_string()),
    };
    match reply {
        Ok(reply) => Answered::new(URL, reply.response.return_code, &IpConfigReply::from(reply)),
        Err(reason) => Answered::unavailable(URL, &reason),
    }
}

/// `releaseipconfigs`: all that the attachment has, whatever addresses the request names.
pub(super) async fn release(server: &Server, body: &[u8]) -> Answered {
    match decode::<IpConfigsRequest>(body) {
        Ok(request) => give_back(server, path::RELEASE_IP_CONFIGS, &request).await,
        Err(error) => Answered::undecodable(path::RELEASE_IP_CONFIGS, &error),
    }
}

/// `releaseipconfig`: the same.
pub(super) async fn release_one(server: &Server, body: &[u8]) -> Answered {
    match decode::<IpConfigRequest>(body) {
        Ok(request) => give_back(server, path::RELEASE_IP_CONFIG, &request.into()).await,
        Err(error) => Answered::undecodable(path::RELEASE_IP_CONFIG, &error),
    }
}

/// The reply to a request for addresses; an error is why the daemon cannot serve anybody now.
async fn assign(
    server: &Server,
    request: &IpConfigsRequest,
    began: Instant,
) -> Result<IpConfigsReply, String> {
    let pod = match pod_of(request) {
        Ok(pod) => pod,
        Err(refusal) => return Ok(refusal),
    };
    let attachment = match Attachment::new(&identity(request, &pod)) {
        Ok(attachment) => attachment,
        Err(error) => return Ok(IpConfigsReply::failure(ReturnCode::INVALID_REQUEST, error.to_string())),
    };
    let mut desired: Vec<IpAddr> = Vec::new();
    for text in request.desired_ip_addresses.iter().flatten() {
        let Ok(address) = text.parse() else {
            let says = format!("{text:?} is no address");
            return Ok(IpConfigsReply::failure(ReturnCode::INVALID_PARAMETER, says));
        };
        desired.push(address);
    }
    let asked = clock::since_boot().saturating_sub(began.elapsed());
    let asking = server.actor.assign(Request { attachment, desired, asked });
    let granted = asking.await.map_err(|error| error.to_string())?;
    match granted.outcome {
        Ok(assigned) => {
            server.metrics.latency.observe(began.elapsed().as_secs_f64());
            let infos = assigned.grants.iter().map(|grant| granted.networks.describe(grant)).collect();
            Ok(IpConfigsReply { pod_ip_info: Some(infos), ..IpConfigsReply::default() })
        }
        Err(refused @ Refused::Empty) => Err(refused.to_string()),
        Err(refused) => Ok(refusal(&refused, request)),
    }
}

/// Azure's clients look for the words about exhaustion.
fn refusal(refused: &Refused, request: &IpConfigsRequest) -> IpConfigsReply {
    match refused {
        Refused::Exhausted { family, .. } => IpConfigsReply::exhausted(format!(
            "AllocateIPConfig failed: not enough IPs available of type {}, {refused}, IP config request is {}",
            family.to_string().to_lowercase(),
            String::from_utf8_lossy(&encode(request))
        )),
        Refused::NotInPool { .. } | Refused::Unavailable { .. } => {
            IpConfigsReply::failure(ReturnCode::ADDRESS_UNAVAILABLE, refused.to_string())
        }
        Refused::OneFamilyTwice { .. } => {
            IpConfigsReply::failure(ReturnCode::INVALID_PARAMETER, refused.to_string())
        }
        Refused::Empty | Refused::Deleted { .. } => {
            IpConfigsReply::failure(ReturnCode::FAILED_TO_ALLOCATE_IP_CONFIG, refused.to_string())
        }
    }
}

async fn give_back(server: &Server, url: &'static str, request: &IpConfigsRequest) -> Answered {
    let reply = match pod_of(request) {
        Ok(pod) => match Key::new(&identity(request, &pod)) {
            Ok(key) => server.actor.release(key).await.map(|released| match released {
                Released::Freed(_) | Released::Unknown => IpConfigsReply::default(),
                Released::Ambiguous { attachments } => IpConfigsReply::failure(
                    ReturnCode::INVALID_REQUEST,
                    format!("the request names no interface, and the container has {attachments}"),
                ),
            }),
            Err(error) => Ok(IpConfigsReply::failure(ReturnCode::INVALID_REQUEST, error.to_string())),
        },
        Err(refusal) => Ok(refusal),
    };
    match reply {
        Ok(reply) => Answered::new(url, reply.response.return_code, &reply),
        Err(reason) => Answered::unavailable(url, &reason),
    }
}

/// The pod, or the reply that says why there is none.
fn pod_of(request: &IpConfigsRequest) -> Result<PodRef, IpConfigsReply> {
    request.pod().map_err(|error| {
        let says = format!("{} in the req: {}", Chain(&error), String::from_utf8_lossy(&encode(request)));
        let says = says.replace("set in the request in the req", "set in the req");
        IpConfigsReply::failure(error.code(), says)
    })
}

fn identity<'a>(request: &'a IpConfigsRequest, pod: &'a PodRef) -> Identity<'a> {
    Identity {
        infra_container_id: &request.infra_container_id,
        pod_interface_id: &request.pod_interface_id,
        interface: &request.ifname,
        pod: &pod.pod_name,
        namespace: &pod.pod_namespace,
    }
}
