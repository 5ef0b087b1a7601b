//! HTTP: requests to the store, watches as bodies that do not end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use crate::address::Address;
use crate::log::Request;
use crate::reply::{Reply, status};
use crate::server::Shared;
use crate::store::{Key, Patch, Selection};
use crate::trouble::Trouble;

/// The lines of a watch.
pub(crate) struct Lines(UnboundedReceiver<Bytes>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

pub(crate) type Answer = Response<Either<Full<Bytes>, Lines>>;

/// The members of a query, percent-decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).filter(|_| *first == b'%');
        let decoded = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(byte) = decoded {
            bytes.push(byte);
            rest = more.get(2..).unwrap_or_default();
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = more;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Answers one request.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Answer, Infallible> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let Some(address) = Address::parse(head.uri.path()) else {
        return Ok(whole(&status(404, "NotFound", "the server could not find the requested resource")));
    };
    let asked = Query::of(&query);
    let verb = verb(&head.method, &address, &asked);
    shared.note(Request { at, verb, address: address.clone(), query, body: text.clone() });
    match shared.trouble(verb, &address) {
        Some(Trouble::Slow(delay)) => sleep(delay).await,
        Some(Trouble::Silent) => std::future::pending().await,
        Some(trouble) => {
            if let Some(reply) = trouble.reply(verb, &address) {
                return Ok(whole(&reply));
            }
        }
        None => {}
    }
    let token = head.headers.get(hyper::header::AUTHORIZATION).and_then(|token| token.to_str().ok());
    if !shared.knows(token) {
        return Ok(whole(&status(401, "Unauthorized", "Unauthorized")));
    }
    if verb == "watch" {
        return Ok(watch(&shared, &address, &asked));
    }
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    Ok(whole(&answer(&shared, verb, &address, &asked, kind, &text)))
}

fn verb(method: &Method, address: &Address, query: &Query) -> &'static str {
    match *method {
        Method::GET if matches!(query.get("watch"), "true" | "1") => "watch",
        Method::GET if address.name.is_none() => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        _ => "delete",
    }
}

fn answer(shared: &Shared, verb: &str, address: &Address, query: &Query, kind: &str, body: &str) -> Reply {
    let mut store = shared.store();
    if verb == "list" {
        let selection = Selection::of(address, query.get("fieldSelector"), query.get("labelSelector"));
        let limit = query.get("limit").parse().ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let after = Some(query.get("continue")).filter(|after| !after.is_empty());
        let mut list = store.list(&selection, after, limit);
        list["apiVersion"] = address.api_version().into();
        return Reply::of(200, list);
    }
    let mut document = Value::Null;
    if matches!(verb, "create" | "update" | "patch") {
        match serde_json::from_str(body) {
            Ok(read) => document = read,
            Err(error) => return status(400, "BadRequest", &error.to_string()),
        }
    }
    let part = address.subresource.as_deref();
    let key = Key::of(address);
    match (verb, key) {
        ("create", None) => {
            if let Some(members) = document.as_object_mut().filter(|_| address.resource != "leases") {
                members.remove("status");
            }
            let named = Address { name: Some(String::new()), ..address.clone() };
            Key::of(&named)
                .map_or_else(|| status(400, "BadRequest", "no name"), |key| store.create(key, document))
        }
        ("get", Some(key)) => match store.get(&key) {
            Some(value) => Reply::of(200, value.clone()),
            None => status(404, "NotFound", &format!("{} {:?} not found", key.resource, key.name)),
        },
        ("update", Some(key)) => store.update(&key, part, &document),
        ("patch", Some(key)) => {
            let patch = match kind.split(';').next().unwrap_or_default() {
                "application/merge-patch+json" => Patch::Merge { strategic: false },
                "application/strategic-merge-patch+json" => Patch::Merge { strategic: true },
                "application/apply-patch+yaml" => Patch::Apply {
                    manager: query.get("fieldManager").to_owned(),
                    force: query.get("force") == "true",
                },
                other => return status(415, "UnsupportedMediaType", other),
            };
            store.patch(&key, part, &patch, &document)
        }
        ("delete", Some(key)) => store.delete(&key),
        _ => {
            status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }
}

fn watch(shared: &Arc<Shared>, address: &Address, query: &Query) -> Answer {
    let selection = Selection::of(address, query.get("fieldSelector"), query.get("labelSelector"));
    let from = query.get("resourceVersion").parse().ok().filter(|from| *from > 0);
    let bookmarks = query.get("allowWatchBookmarks") == "true";
    let (lines, body) = unbounded_channel();
    let begun = shared.store().watch(selection, from, bookmarks, address.api_version(), lines);
    let id = match begun {
        Ok(id) => id,
        Err(reply) => return whole(&reply),
    };
    if let Ok(seconds) = query.get("timeoutSeconds").parse() {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            sleep(Duration::from_secs(seconds)).await;
            shared.store().unwatch(Some(id));
        });
    }
    json(StatusCode::OK, Either::Right(Lines(body)))
}

fn whole(reply: &Reply) -> Answer {
    let code = StatusCode::from_u16(reply.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = if reply.body.is_null() { "404 page not found\n".to_owned() } else { reply.body.to_string() };
    let mut answer = json(code, Either::Left(Full::from(text)));
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(*name, value);
        }
    }
    answer
}

fn json(code: StatusCode, body: Either<Full<Bytes>, Lines>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
