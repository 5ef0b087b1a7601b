//! The routes to the pods of 5,000 nodes.
//!
//! They are the kernel's, so that this happens in a sandbox: the program runs itself again there, and its figures come back
//! through a file.

use std::path::Path;

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::{fleet, sandbox};
use serde_json::{Value, json};

use crate::{Row, mebibytes};

/// The argument by which the program knows that it is to measure here.
pub(crate) const HERE: &str = "--routes-here";

const NODES: u32 = 5_000;

/// What the file says, in this order.
const FIGURES: [(&str, f64, &str); 6] = [
    ("host-gw, 5,000 nodes: from start to the last route", 5_000.0, "ms"),
    ("host-gw, 5,000 nodes: requests until then", 54.0, "requests"),
    ("host-gw, 5,000 nodes: from a new Node to its route, median", 250.0, "ms"),
    ("host-gw, 5,000 nodes: processor time of a Node's heartbeat", 200.0, "µs"),
    ("host-gw, 5,000 nodes: requests for 5,000 heartbeats and ten new nodes", 1.0, "requests"),
    ("host-gw, 5,000 nodes: resident", 32.0, "MiB"),
];

/// Measures in a sandbox.
pub(crate) fn rows() -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    let status = sandbox::run_attached(&[HERE, &place])?;
    let text =
        std::fs::read_to_string(figures(folder.path())).doing(format_args!("the sandbox: {status}"))?;
    let found: [f64; 6] = serde_json::from_str(&text)?;
    let row = |((what, limit, unit), found)| Row { what, found, limit, unit, at_least: false };
    Ok(FIGURES.into_iter().zip(found).map(row).collect())
}

fn figures(folder: &Path) -> std::path::PathBuf {
    folder.join("figures.json")
}

/// In the sandbox: measures, and leaves the figures in `folder`.
pub(crate) fn measure(folder: &Path) -> Result<(), Failure> {
    sandbox::enter()?;
    let found = fleet::measure(folder, NODES)?;
    let found: Value = json!([
        found.first.as_secs_f64() * 1e3,
        found.requests,
        found.update.as_secs_f64() * 1e3,
        found.heartbeat.as_secs_f64() * 1e6,
        found.requests_after,
        mebibytes(found.resident),
    ]);
    std::fs::write(figures(folder), found.to_string()).doing("write the figures")
}
