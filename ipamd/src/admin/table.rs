//! The status in tables, for people.

use crate::actor::view::Status;

/// The whole status.
pub(super) fn of(status: &Status) -> String {
    let mut text = match &status.not_ready {
        None => "ready\n".to_owned(),
        Some(reason) => format!("NOT READY: {reason}\n"),
    };
    let source = &status.source;
    let age = source.age_seconds.map_or("never".to_owned(), |age| format!("{age} s ago"));
    text += &format!("source {} ({}), last good word {age}\n", source.kind, source.subnets.join(", "));
    if let Some(error) = &source.error {
        text += &format!("source error: {error}\n");
    }
    let pool: Vec<[String; 7]> = status
        .pool
        .iter()
        .map(|family| {
            [
                family.family.clone(),
                family.total.to_string(),
                family.assigned.to_string(),
                family.available.to_string(),
                family.cooling_down.to_string(),
                (family.pending_programming + family.pending_release).to_string(),
                family.orphaned.to_string(),
            ]
        })
        .collect();
    text += "\n";
    text += &table(["POOL", "TOTAL", "ASSIGNED", "AVAILABLE", "COOLING", "PENDING", "ORPHANED"], &pool);
    let pods: Vec<[String; 5]> = status
        .pods
        .iter()
        .map(|pod| {
            let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
            [
                visible(&pod.namespace),
                visible(&pod.pod),
                visible(&pod.interface),
                addresses.join(","),
                visible(pod.container.get(..12).unwrap_or(&pod.container)),
            ]
        })
        .collect();
    text += "\n";
    text += &table(["NAMESPACE", "POD", "INTERFACE", "ADDRESSES", "CONTAINER"], &pods);
    text += "\nlast events\n";
    for event in status.events.iter().take(10) {
        text += &format!("  {}  {}\n", event.at.get(..19).unwrap_or(&event.at), visible(&event.event));
    }
    text
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
