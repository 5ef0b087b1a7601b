//! The status page: what the daemon knows, for people, in plain HTML.
//!
//! It is read-only and needs neither scripts nor anything from elsewhere; the browser is told so. Every text that comes from
//! outside is escaped where it is written, in one place: [`Escaped`].

use std::fmt::{self, Write};

use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::{Method, StatusCode};
use podnet_daemon_kit::http::{self, Answer};
use podnet_ipam_api::debug::RoutesStatus;

use super::Server;
use crate::actor::Actor;
use crate::actor::view::{FamilyStatus, Status};
use crate::routes::summary;

/// Nothing is loaded and nothing runs, whatever a pod is called.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub(super) async fn answer(server: &Server, method: &Method) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        return http::text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match server.actor.look(Actor::status).await {
        Ok(status) => {
            let mut answer = http::answer(StatusCode::OK, "text/html; charset=utf-8", render(&status));
            answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            answer
        }
        Err(error) => http::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

/// The page.
fn render(status: &Status) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    write_page(&mut page, status).ok();
    page
}

const HEAD: &str = include_str!("page/head.html");

/// Text in which nothing is markup, between tags and in quoted attributes alike.
struct Escaped<T>(T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.to_string().chars() {
            match letter {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

fn write_page(page: &mut String, status: &Status) -> fmt::Result {
    page.write_str(HEAD)?;
    match &status.not_ready {
        None => write!(page, "<p class=\"ready\">ready</p>")?,
        Some(reason) => write!(page, "<p class=\"not-ready\">not ready: {}</p>", Escaped(reason))?,
    }
    write!(page, "<h2>Pool</h2>")?;
    if status.pool.is_empty() {
        write!(page, "<p>no addresses</p>")?;
    }
    for family in &status.pool {
        write_family(page, family)?;
    }
    write_source(page, status)?;
    write_upkeep(page, status)?;
    if let Some(routes) = &status.routes {
        write_routes(page, routes)?;
    }
    write!(
        page,
        "<h2>Pods</h2><table id=\"pods\"><thead><tr><th>namespace</th><th>pod</th><th>interface</th><th>addresses</th>\
         <th>container</th></tr></thead><tbody>"
    )?;
    for pod in &status.pods {
        let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
        write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            Escaped(&pod.namespace),
            Escaped(&pod.pod),
            Escaped(&pod.interface),
            addresses.join("<br>"),
            Escaped(pod.container.get(..12).unwrap_or(&pod.container)),
        )?;
    }
    write!(page, "</tbody></table><h2>Events</h2><ol id=\"events\">")?;
    for event in &status.events {
        let second = event.at.get(..19).unwrap_or(&event.at).replace('T', " ");
        write!(page, "<li><time>{}</time> {}</li>", Escaped(second), Escaped(&event.event))?;
    }
    write!(page, "</ol><footer>podnet-ipamd {}</footer></body></html>", Escaped(&status.version))
}

fn write_family(page: &mut String, family: &FamilyStatus) -> fmt::Result {
    let states = [
        ("assigned", "assigned", family.assigned),
        ("cooling", "cooling down", family.cooling_down),
        ("programming", "pending programming", family.pending_programming),
        ("releasing", "pending release", family.pending_release),
        ("available", "available", family.available),
    ];
    write!(
        page,
        "<h3>{}: {} addresses</h3><div class=\"bar\" role=\"img\" aria-label=\"",
        Escaped(&family.family),
        family.total
    )?;
    for (_, label, count) in states {
        write!(page, "{count} {label}. ")?;
    }
    write!(page, "\">")?;
    for (class, label, count) in states.into_iter().filter(|(_, _, count)| *count > 0) {
        write!(
            page,
            "<span class=\"{class}\" style=\"flex-grow:{count}\" title=\"{count} {label}\"></span>"
        )?;
    }
    write!(page, "</div><ul class=\"legend\">")?;
    for (class, label, count) in states {
        write!(page, "<li><i class=\"{class}\"></i>{count} {label}</li>")?;
    }
    if family.orphaned > 0 {
        write!(page, "<li>{} of them gone from the source</li>", family.orphaned)?;
    }
    write!(page, "</ul>")
}

fn write_source(page: &mut String, status: &Status) -> fmt::Result {
    let source = &status.source;
    write!(page, "<h2>Source</h2><p>{}", Escaped(&source.kind))?;
    for subnet in &source.subnets {
        write!(page, " <code>{}</code>", Escaped(subnet))?;
    }
    match source.age_seconds {
        Some(age) => write!(page, ", last good word {age} s ago</p>")?,
        None => write!(page, ", has not said anything good yet</p>")?,
    }
    for trouble in source.error.iter().chain(&source.complaints) {
        write!(page, "<p class=\"not-ready\">{}</p>", Escaped(trouble))?;
    }
    Ok(())
}

fn write_routes(page: &mut String, routes: &RoutesStatus) -> fmt::Result {
    write!(page, "<h2>Routes</h2><p>{}: {}</p>", Escaped(&routes.kind), Escaped(summary(routes)))?;
    for problem in routes.problems() {
        write!(page, "<p class=\"not-ready\">{}</p>", Escaped(problem))?;
    }
    write!(page, "<ul id=\"refused\">")?;
    for refused in &routes.refused {
        write!(page, "<li>no route: {}</li>", Escaped(refused))?;
    }
    write!(page, "</ul>")
}

fn write_upkeep(page: &mut String, status: &Status) -> fmt::Result {
    for (kept, how) in status.upkeep() {
        write!(page, "<h2>{}</h2>", Escaped(kept))?;
        match &how.error {
            Some(error) => write!(page, "<p class=\"not-ready\">{}</p>", Escaped(error))?,
            None => write!(page, "<p>in force</p>")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
