//! What is known of a container's interfaces: `/network/endpoints/CONTAINERID`.
//!
//! Azure's stateless plugin notes here what it made (`PATCH`) and asks for it again on DEL. The notes live as long as the
//! process: DEL works without them, since the link goes with the pod's namespace.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hyper::body::Bytes;
use hyper::{Method, Request};
use podnet_ipam_api::endpoint::{EndpointInfo, EndpointPatch, EndpointReply, FOUND_MESSAGE};
use podnet_ipam_api::{Response, ReturnCode, decode, path};

use super::{Answered, Server};

const URL: &str = path::ENDPOINTS;

/// More containers than a node has. Whoever notes more than that makes everybody's notes go.
const MOST: usize = 4096;

/// What was noted of each container.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<HashMap<String, EndpointPatch>>);

impl Notes {
    fn note(&self, container: String, patch: EndpointPatch) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() >= MOST {
            notes.clear();
        }
        notes.entry(container).or_default().extend(patch);
    }

    fn forget(&self, container: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(container);
    }

    /// Adds what was noted; the addresses are the pool's to say.
    fn complete(&self, container: &str, endpoint: &mut EndpointInfo) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(noted) = all.get(container) else { return };
        for (interface, info) in endpoint.ifname_to_ip_map.iter_mut().flatten() {
            if let Some(noted) = noted.get(interface) {
                let (ipv4, ipv6) = (info.ipv4.take(), std::mem::take(&mut info.ipv6));
                *info = noted.clone();
                (info.ipv4, info.ipv6) = (ipv4, ipv6);
            }
        }
    }
}

pub(super) async fn answer(server: &Server, request: &Request<Bytes>) -> Answered {
    let path = request.uri().path();
    let container = path.rsplit_once('/').map_or("", |(_, container)| container).to_owned();
    match *request.method() {
        Method::GET => get(server, container).await,
        Method::PATCH => match decode::<EndpointPatch>(request.body()) {
            Ok(noted) => note(server, container, noted).await,
            Err(error) => Answered::undecodable(URL, &error),
        },
        Method::DELETE => {
            server.notes.forget(&container);
            Answered::new(URL, ReturnCode::SUCCESS, &Response::default())
        }
        ref other => Answered::wrong_verb(URL, other),
    }
}

async fn get(server: &Server, container: String) -> Answered {
    let named = container.clone();
    match server.actor.look(move |actor| actor.endpoint(&container)).await {
        Ok(Some(mut endpoint_info)) => {
            server.notes.complete(&named, &mut endpoint_info);
            let response = Response { message: FOUND_MESSAGE.to_owned(), ..Response::default() };
            Answered::new(URL, ReturnCode::SUCCESS, &EndpointReply { response, endpoint_info })
        }
        Ok(None) => {
            let says = format!("[GetEndpointState] no endpoint of container {named}");
            let response = Response::failure(ReturnCode::NOT_FOUND, says);
            let reply = EndpointReply { response, ..EndpointReply::default() };
            Answered::new(URL, ReturnCode::NOT_FOUND, &reply)
        }
        Err(error) => Answered::unavailable(URL, &error),
    }
}

async fn note(server: &Server, container: String, patch: EndpointPatch) -> Answered {
    let named = container.clone();
    match server.actor.look(move |actor| actor.endpoint(&container).is_some()).await {
        Ok(true) => {
            server.notes.note(named, patch);
            Answered::new(URL, ReturnCode::SUCCESS, &Response::default())
        }
        Ok(false) => {
            let response =
                Response::failure(ReturnCode::NOT_FOUND, format!("container {named} has no addresses"));
            Answered::new(URL, ReturnCode::NOT_FOUND, &response)
        }
        Err(error) => Answered::unavailable(URL, &error),
    }
}
