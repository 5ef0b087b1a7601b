//! The status in tables, for people.

use podnet_ipam_api::debug::{Findings, Missing, RoutesStatus};

use crate::actor::view::{FamilyStatus, PodStatus, Status};
use crate::routes::summary;

/// The whole status.
pub(super) fn of(status: &Status) -> String {
    let pool: Vec<_> = status.pool.iter().map(family).collect();
    let pods: Vec<_> = status.pods.iter().map(pod).collect();
    let events = status.events.iter().take(10);
    let events: Vec<String> = events
        .map(|event| format!("  {}  {}\n", event.at.get(..19).unwrap_or(&event.at), visible(&event.event)))
        .collect();
    [
        state(status),
        table(["POOL", "TOTAL", "ASSIGNED", "AVAILABLE", "COOLING", "PENDING", "ORPHANED"], &pool),
        table(["NAMESPACE", "POD", "INTERFACE", "ADDRESSES", "CONTAINER"], &pods),
        format!("last events\n{}", events.concat()),
    ]
    .into_iter()
    .chain(status.reconciliation.as_ref().and_then(findings))
    .collect::<Vec<_>>()
    .join("\n")
}

/// What the last look at the node found; none: all is well.
fn findings(findings: &Findings) -> Option<String> {
    let missing = |missing: &Missing| {
        let addresses: Vec<String> = missing.addresses.iter().map(ToString::to_string).collect();
        let (container, seconds) = (visible(&missing.container), missing.released_in_seconds);
        format!("  no sign of life of {container} ({}): released in {seconds} s\n", addresses.join(","))
    };
    let conflict = |conflict: &String| format!("  {}\n", visible(conflict));
    let lines: Vec<String> =
        findings.missing.iter().map(missing).chain(findings.conflicts.iter().map(conflict)).collect();
    (!lines.is_empty()).then(|| format!("the node, {} s ago\n{}", findings.age_seconds, lines.concat()))
}

fn state(status: &Status) -> String {
    let source = &status.source;
    let ready = status.not_ready.as_ref().map_or("ready".to_owned(), |reason| format!("NOT READY: {reason}"));
    let age = source.age_seconds.map_or("never".to_owned(), |age| format!("{age} s ago"));
    let error =
        source.error.as_ref().map_or(String::new(), |error| format!("source error: {}\n", visible(error)));
    let complaints: Vec<String> =
        source.complaints.iter().map(|complaint| format!("source: {}\n", visible(complaint))).collect();
    let subnets = source.subnets.join(", ");
    let upkeep = status
        .upkeep()
        .map(|(kept, how)| format!("{kept}: {}\n", visible(how.error.as_deref().unwrap_or("in force"))));
    let upkeep = upkeep.collect::<Vec<_>>().concat();
    let routes = status.routes.as_ref().map(routes).unwrap_or_default();
    format!(
        "{ready}\nsource {} ({subnets}), last good word {age}\n{error}{}{routes}{upkeep}",
        source.kind,
        complaints.concat()
    )
}

fn routes(routes: &RoutesStatus) -> String {
    let mut text = format!("routes {}: {}\n", routes.kind, visible(&summary(routes)));
    let refused = routes.refused.iter().map(|refused| format!("no route: {refused}"));
    for line in routes.problems().map(|problem| format!("routes error: {problem}")).chain(refused) {
        text.extend(["  ", &*visible(&line), "\n"]);
    }
    text
}

fn family(family: &FamilyStatus) -> [String; 7] {
    [
        family.family.clone(),
        family.total.to_string(),
        family.assigned.to_string(),
        family.available.to_string(),
        family.cooling_down.to_string(),
        (family.pending_programming + family.pending_release).to_string(),
        family.orphaned.to_string(),
    ]
}

fn pod(pod: &PodStatus) -> [String; 5] {
    let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
    [
        visible(&pod.namespace),
        visible(&pod.pod),
        visible(&pod.interface),
        addresses.join(","),
        visible(pod.container.get(..12).unwrap_or(&pod.container)),
    ]
}

/// A terminal obeys control characters; names that clients send may have some.
fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Rows under their headings, each column as wide as its widest cell.
fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("   ").trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(headings)).chain(body).collect()
}
