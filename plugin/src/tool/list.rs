//! `podnet list`: the pods on this node.

use std::collections::BTreeMap;

use podnet_datapath::{OwnerId, PodLink, links};
use serde::Serialize;

use super::table::{cell, table};
use super::{Form, json};
use crate::error::{Error, chain};
use crate::outcome::Outcome;
use crate::record::{Record, Registry};

/// What is known of an attachment: by its record, by its link, or both.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    network: String,
    #[serde(rename = "containerID")]
    container_id: String,
    ifname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<String>,
    /// None: the record has no link, as after a crash; DEL or GC removes it.
    host_link: Option<String>,
    /// False: the link has no record.
    recorded: bool,
}

/// Lists the pods of this node.
pub(super) fn run(form: Form) -> Outcome {
    match rows() {
        Ok(rows) if form == Form::Json => Outcome::success(json(&serde_json::json!(rows))),
        Ok(rows) => Outcome::success(render(&rows)),
        Err(error) => Outcome::complaint(format!("podnet list: {}\n", chain(&error))),
    }
}

fn rows() -> Result<Vec<Row>, Error> {
    let mut rows: BTreeMap<OwnerId, Row> = BTreeMap::new();
    if let Some(registry) = Registry::open()? {
        for id in registry.ids()? {
            rows.extend(registry.read(id)?.map(|record| (id, recorded(record))));
        }
    }
    for link in links()? {
        let row = rows.entry(link.label.id).or_insert_with(|| unrecorded(&link));
        row.host_link = Some(link.name);
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by(|a, b| {
        (&a.network, &a.addresses, &a.container_id).cmp(&(&b.network, &b.addresses, &b.container_id))
    });
    Ok(rows)
}

fn recorded(record: Record) -> Row {
    let leases = record.reserved.map(|reserved| reserved.leases).unwrap_or_default();
    Row {
        network: record.network,
        container_id: record.container_id,
        ifname: record.ifname,
        pod: record.pod,
        addresses: leases.iter().map(|lease| lease.address.to_string()).collect(),
        sandbox: Some(record.sandbox),
        host_link: None,
        recorded: true,
    }
}

fn unrecorded(link: &PodLink) -> Row {
    let label = link.label.clone();
    Row { network: label.network, container_id: label.container, ifname: label.ifname, ..Row::default() }
}

fn render(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        [
            cell(&row.network),
            cell(row.pod.as_deref().unwrap_or_default()),
            cell(&row.container_id),
            cell(&row.ifname),
            cell(&row.addresses.join(",")),
            cell(row.host_link.as_deref().unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    table(["NETWORK", "POD", "CONTAINER", "INTERFACE", "ADDRESSES", "HOST LINK"], &rows)
}
