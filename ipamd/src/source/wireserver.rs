//! The host's list of interfaces: `comp=nmagent&type=getinterfaceinfov1`.
//!
//! ```xml
//! <Interfaces><Interface MacAddress="002248263DBD" IsPrimary="true"><IPSubnet Prefix="10.240.0.0/16">
//!  <IPAddress Address="10.240.0.4" IsPrimary="true"/><IPAddress Address="10.240.0.5" IsPrimary="false"/>
//! </IPSubnet></Interface></Interfaces>
//! ```
//!
//! Pods get the secondary addresses of the primary interface. Entities, a document type and anything unfinished are
//! refused: the host sends none, so whoever does is not the host.

use std::net::IpAddr;

use ipnet::IpNet;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::id_of;
use crate::inventory::{self, Block, Host, Inventory, Network};

/// Where in the document.
#[derive(Default)]
struct Place {
    /// The names of the elements that are open, outermost first.
    open: Vec<String>,
    is_primary: bool,
}

/// Reads the document.
pub(super) fn parse(document: &[u8]) -> Result<Inventory, String> {
    let text = std::str::from_utf8(document).ok().ok_or_else(|| "it is no UTF-8 text".to_owned())?;
    let mut reader = Reader::from_str(text);
    let mut inventory = Inventory::default();
    let mut place = Place::default();
    let mut has_root = false;
    loop {
        let event = reader.read_event().map_err(|error| format!("it is no XML: {error}"))?;
        match event {
            Event::Start(element) => {
                let name = element.name().as_ref().to_owned();
                has_root |= place.open.is_empty();
                enter(&element, &name, &mut place, &mut inventory)?;
                place.open.push(name);
            }
            Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                has_root |= place.open.is_empty();
                enter(&element, &name, &mut place, &mut inventory)?;
            }
            Event::End(_) => drop(place.open.pop()),
            Event::DocType(_) | Event::GeneralRef(_) => {
                return Err("it declares or uses entities, which the host never does".to_owned());
            }
            Event::Eof => break,
            Event::Text(text) if place.open.is_empty() && !text.trim_ascii().is_empty() => {
                return Err("it is no XML: text outside of all elements".to_owned());
            }
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if let Some(element) = place.open.last() {
        return Err(format!("it ends inside <{element}>"));
    }
    if !has_root {
        return Err("it is empty".to_owned());
    }
    if inventory.host.address.is_none() {
        return Err("it has no primary interface with a primary address".to_owned());
    }
    Ok(inventory)
}

fn enter(
    element: &BytesStart<'_>,
    name: &str,
    place: &mut Place,
    inventory: &mut Inventory,
) -> Result<(), String> {
    match (place.open.last().map(String::as_str), name) {
        (None, "Interfaces") => {}
        (None, other) => return Err(format!("its outermost element is <{other}>, not <Interfaces>")),
        (Some("Interfaces"), "Interface") => {
            place.is_primary = attribute(element, "IsPrimary")?.as_deref() == Some("true");
        }
        (Some("Interface"), "IPSubnet") if place.is_primary => {
            let prefix = required(element, name, "Prefix")?;
            let subnet: IpNet = prefix.parse().ok().ok_or_else(|| format!("{prefix:?} is no subnet"))?;
            let gateway = inventory::first_host(subnet);
            inventory.networks.push(Network { id: id_of(subnet), subnet, gateway, blocks: Vec::new() });
        }
        (Some("IPSubnet"), "IPAddress") if place.is_primary => {
            let text = required(element, name, "Address")?;
            let address: IpAddr = text.parse().ok().ok_or_else(|| format!("{text:?} is no address"))?;
            let is_primary = attribute(element, "IsPrimary")?.as_deref() == Some("true");
            let Some(network) = inventory.networks.last_mut() else { return Ok(()) };
            if is_primary && inventory.host.address.is_none() {
                let (subnet, gateway) = (Some(network.subnet), network.gateway);
                inventory.host = Host { address: Some(address), subnet, gateway };
            } else if !is_primary {
                network.blocks.push(Block::of(inventory::single(address)));
            }
        }
        _ => {}
    }
    Ok(())
}

fn required(element: &BytesStart<'_>, name: &str, attribute_name: &str) -> Result<String, String> {
    attribute(element, attribute_name)?.ok_or_else(|| format!("an <{name}> has no {attribute_name}"))
}

/// The attribute's value as it stands there.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = element.try_get_attribute(name).map_err(|error| format!("it is no XML: {error}"))?;
    let Some(found) = found else { return Ok(None) };
    let value = found.value;
    if value.contains('&') {
        return Err(format!("{name} uses an entity, which the host never does"));
    }
    Ok(Some(value.into_owned()))
}

#[cfg(test)]
mod tests;
