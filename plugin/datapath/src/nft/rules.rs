//! A pod's rules: its elements in the maps of the table `inet podnet`, and of `bridge podnet`.
//!
//! - A pod is a handful of elements. [`PodRules::add`] looks whether the chains that they need are there and adds
//!   the elements in one transaction. Only if something is missing (the first pod of the node or of a subnet, a
//!   deleted table) or in the way does it read what there is and make what is not, in one transaction with the
//!   elements that is refused if anything changed since the reading. So a chain comes with everything that it
//!   needs, and any number of processes may begin at once. It looks first because a transaction that fails costs a
//!   grace period of the kernel (about 15 ms) during which no other program can change its rules either.
//! - An address belongs to the pod that holds it in the allocator, so an element of an address that is there
//!   already is what a lost DEL left: [`PodRules::add`] replaces it. A port of the node, and a place on the node's
//!   network, belongs to whoever took it first: then it fails, and names the holder. [`remove`] deletes only what carries its owner's id, so that a
//!   late DEL does not take the element of the pod that has the address now.
//! - The table, the maps and the chains stay when their pods are gone.
//!
//! **Layouts.** The table's comment names its layout. A version of podnet that adds maps, chains or rules
//! keeps the comment; one that gives a map or a chain another meaning gives it another name and the table
//! another comment. An older podnet then misses the old name, reads the comment before it sets up anything,
//! and refuses ([`NftError::Layout`]): to go back to it, drain the node and delete the table. This is the
//! first layout, so that there is none before it to carry over. The kernel keeps comments of tables since
//! 5.10.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;
use nix::errno::Errno;

use super::{
    NftError, PortTaken, RuleDifference,
    element::Element,
    guard,
    host_ports::{self, NodePort},
    layout::{Chain, FRAMES, TABLE},
    masquerade,
    reading::{self, Seen},
    reflections, segment, services,
    table::{Map, Table},
    transaction,
};
use crate::{
    Guard, HostPort, HostPorts, Label, MacAddr, Owner, OwnerId, Segment, Station, Transport,
    netlink::{NetlinkError, Request, Socket},
};

/// Elements of one message, which has room for 64 KiB of them.
const ELEMENTS_PER_MESSAGE: usize = 128;

/// The rules of one pod.
#[derive(Debug, Clone)]
pub struct PodRules {
    alias: String,
    id: OwnerId,
    /// The subnets of the masqueraded addresses.
    masqueraded: BTreeSet<IpNet>,
    /// The subnets of the addresses whose neighbours' answers would go past the rules.
    unfiltered: BTreeSet<IpNet>,
    /// Whether the pod has ports of the node.
    has_ports: bool,
    /// The senders to whom answers from the node's ports need help.
    hairpin: BTreeSet<IpNet>,
    /// Whether the pod reaches itself by translation alone.
    is_reflected: bool,
    /// The table in which the pod is kept from services of the node's.
    blocks: Option<Table>,
    /// Whether the pod is on the node's own network.
    is_on_segment: bool,
    /// The table in which the pod is held to its addresses.
    senders: Option<Table>,
    /// In the order in which they were asked for, each key once.
    elements: Vec<(Map, Element)>,
}

/// What the rules of a pod are for.
#[derive(Debug, Clone, Copy)]
pub struct Uses<'a> {
    /// The pod's addresses, each with its subnet's prefix length.
    pub addresses: &'a [IpNet],
    /// Those of them that leave the subnet with the node's address.
    pub masqueraded: &'a [IpNet],
    /// Those of them that get the bridge's address where they are translated into their subnet.
    pub unfiltered: &'a [IpNet],
    /// The node's ports that lead to the pod.
    pub host_ports: &'a HostPorts,
    /// Whether everything that the pod sends goes by way of the node.
    pub is_routed: bool,
    /// What the pod is kept from doing.
    pub guard: Guard,
    /// Where what the pod sends comes in; `None`: it is not held to its addresses.
    pub station: Option<&'a Station>,
    /// Where the pod is on the node's own network; `None`: it is not.
    pub segment: Option<&'a Segment>,
}

/// What [`remove`] removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Removed {
    /// How many elements.
    pub(crate) elements: usize,
    /// The UDP ports of the node among them.
    pub(crate) udp_ports: Vec<NodePort>,
}

impl PodRules {
    /// The rules of `owner`.
    pub fn new(owner: &Owner, uses: &Uses<'_>) -> Self {
        let Uses { addresses, masqueraded, unfiltered, host_ports, is_routed, guard, station, segment } =
            *uses;
        let alias = owner.alias();
        let ports = &host_ports.ports;
        let of_addresses = masqueraded.iter().map(|address| masquerade::element(*address, &alias));
        let of_services = unfiltered.iter().map(|address| services::element(*address, &alias));
        let helped = |port: &HostPort| {
            // What answers the network directly passes no translation of the node's.
            let is_past_all = segment.is_some() && unfiltered.contains(&port.pod);
            host_ports::helped(port, is_routed, is_past_all).filter(|_| host_ports.snat)
        };
        let of_ports = ports.iter().flat_map(|port| host_ports::elements(port, helped(port), &alias));
        let routed: &[IpNet] = if is_routed { addresses } else { &[] };
        let of_itself = routed.iter().map(|address| reflections::element(*address, &alias));
        let blocking = if segment.is_some() { FRAMES } else { TABLE };
        let blocks = guard::blocks(blocking, guard, addresses, &alias);
        let is_blocked = !blocks.is_empty();
        let senders = station.map(|station| guard::senders(station, addresses, &alias)).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let of_pod = of_addresses.chain(of_services).chain(of_ports).chain(of_itself);
        let of_segment =
            segment.map(|segment| segment::elements(segment, addresses, &alias)).unwrap_or_default();
        let mut elements: Vec<_> = of_pod.chain(blocks).chain(senders).chain(of_segment).collect();
        // One port of two addresses of the node has one way back.
        elements.retain(|(map, element)| seen.insert((map.table.family, map.name, element.key.clone())));
        Self {
            id: owner.id(),
            masqueraded: masqueraded.iter().map(IpNet::trunc).collect(),
            unfiltered: unfiltered.iter().map(IpNet::trunc).collect(),
            has_ports: !ports.is_empty(),
            hairpin: ports.iter().filter_map(helped).collect(),
            is_reflected: !routed.is_empty(),
            blocks: is_blocked.then_some(blocking),
            is_on_segment: segment.is_some(),
            senders: station.map(guard::table),
            elements,
            alias,
        }
    }

    /// No rules.
    pub fn none(owner: &Owner) -> Self {
        let no_ports = HostPorts::default();
        let uses = Uses {
            addresses: &[],
            masqueraded: &[],
            unfiltered: &[],
            host_ports: &no_ports,
            is_routed: false,
            guard: Guard::default(),
            station: None,
            segment: None,
        };
        Self::new(owner, &uses)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// How many elements there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Adds the rules.
    pub fn add(&self, socket: &mut Socket) -> Result<(), NftError> {
        self.add_to(socket, &Seen::default())
    }

    /// Adds the rules, where some chains were seen a moment ago.
    pub(crate) fn add_to(&self, socket: &mut Socket, seen: &Seen) -> Result<(), NftError> {
        if self.is_empty() {
            return Ok(());
        }
        let unseen = self.witnesses().into_iter().filter(|chain| !seen.has(chain));
        if reading::has_chains(socket, unseen)? {
            match transaction::commit(socket, None, self.additions()) {
                Ok(()) => return Ok(()),
                Err(error) if is_worth_a_look(&error) => {}
                Err(error) => return Err(NftError::changing(error)),
            }
        }
        transaction::commit_what_is_read(socket, |socket| {
            let mut changes = self.set_up(socket)?;
            let in_the_way = self.in_the_way(socket)?;
            changes.extend(deletions(&in_the_way));
            changes.extend(self.additions());
            Ok(changes)
        })
        .map(drop)
    }

    /// What [`PodRules::add`] made and is not there as it made it.
    pub fn check(&self, socket: &mut Socket) -> Result<Vec<RuleDifference>, NftError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        self.refuse_other_layouts(socket)?;
        let mut differences = Vec::new();
        for chain in self.chains() {
            if !reading::has_rules(socket, &chain)? {
                let object = format!("nftables chain {} of table {}", chain.name, chain.table);
                differences.push(RuleDifference { object, found: "other rules or none".to_owned() });
            }
        }
        let present = self.present(socket)?;
        let found: HashMap<_, _> =
            present.iter().map(|(map, element)| ((*map, &*element.key), element)).collect();
        for (map, wanted) in &self.elements {
            let text = match found.get(&(*map, &*wanted.key)) {
                Some(element) if *element == wanted => continue,
                Some(element) => format!("an element of {:?} or to another place", element.comment),
                None => "missing".to_owned(),
            };
            let object = format!("{} in nftables {map}", describe(*map, &wanted.key));
            differences.push(RuleDifference { object, found: text });
        }
        Ok(differences)
    }

    /// The UDP ports of the node that lead to the pod.
    pub(crate) fn udp_ports(&self) -> Vec<NodePort> {
        udp_ports(&self.elements)
    }

    /// Chains that are there if everything is that the elements need: each comes in a transaction with the rest.
    fn witnesses(&self) -> Vec<(Table, String)> {
        let masqueraded = self.masqueraded.iter().map(|subnet| masquerade::chain_name(*subnet));
        let unfiltered = self.unfiltered.iter().map(|subnet| services::chain_name(*subnet));
        let ports = self.has_ports.then(|| host_ports::LOOK_UP.to_owned());
        let hairpin = self.hairpin.iter().map(|senders| host_ports::chain_name(*senders));
        let reflected = self.is_reflected.then(|| reflections::CHAIN.to_owned());
        let inet = masqueraded.chain(unfiltered).chain(ports).chain(hairpin).chain(reflected);
        let blocked = self.blocks.map(|table| (table, guard::BLOCKED.to_owned()));
        let senders = self.senders.map(|table| (table, guard::ANTI_SPOOFING.to_owned()));
        let segment = self.is_on_segment.then(|| (FRAMES, segment::LOOK_UP.to_owned()));
        inet.map(|name| (TABLE, name)).chain(blocked).chain(senders).chain(segment).collect()
    }

    fn chains(&self) -> Vec<Chain> {
        let mut chains = Vec::new();
        if !self.masqueraded.is_empty() {
            chains.extend(masquerade::chains(self.masqueraded.iter().copied()));
        }
        if !self.unfiltered.is_empty() {
            chains.extend(services::chains(self.unfiltered.iter().copied()));
        }
        if self.has_ports {
            chains.extend(host_ports::chains(self.hairpin.iter().copied()));
        }
        if self.is_reflected {
            chains.push(reflections::chain());
        }
        if let Some(table) = self.blocks {
            chains.push(guard::block_chain(table));
        }
        if let Some(table) = self.senders {
            chains.extend(guard::sender_chains(table));
        }
        if self.is_on_segment {
            chains.extend(segment::chains());
        }
        chains
    }

    fn maps(&self) -> impl Iterator<Item = Map> {
        let masqueraded = masquerade::MAPS.into_iter().filter(|_| !self.masqueraded.is_empty());
        let unfiltered = services::MAPS.into_iter().filter(|_| !self.unfiltered.is_empty());
        let ports = host_ports::MAPS.into_iter().filter(|_| self.has_ports);
        let reflected = reflections::MAPS.into_iter().filter(|_| self.is_reflected);
        let blocked = self.blocks.into_iter().flat_map(guard::block_maps);
        let senders = self.senders.into_iter().flat_map(guard::sender_maps_of);
        let segment = segment::MAPS.into_iter().filter(|_| self.is_on_segment);
        let of_pod = masqueraded.chain(unfiltered).chain(ports).chain(reflected);
        of_pod.chain(blocked).chain(senders).chain(segment)
    }

    /// The tables that the elements are in.
    fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        for (map, _) in &self.elements {
            if !tables.contains(&map.table) {
                tables.push(map.table);
            }
        }
        tables
    }

    fn refuse_other_layouts(&self, socket: &mut Socket) -> Result<(), NftError> {
        self.tables().into_iter().try_for_each(|table| reading::refuse_other_layout(socket, table))
    }

    /// Brings about everything that the elements need, as far as it is not there.
    fn set_up(&self, socket: &mut Socket) -> Result<Vec<Request>, NftError> {
        self.refuse_other_layouts(socket)?;
        let mut changes: Vec<Request> =
            self.tables().into_iter().map(|table| table.ensure(super::layout::SCHEMA)).collect();
        changes.extend(self.maps().zip(1..).map(|(map, id)| map.table.ensure_map(map, id)));
        for chain in self.chains() {
            if !reading::has_rules(socket, &chain)? {
                changes.extend(chain.fill());
            }
        }
        Ok(changes)
    }

    fn additions(&self) -> Vec<Request> {
        by_map(&self.elements)
            .flat_map(|(map, elements)| {
                let chunks =
                    elements.chunks(ELEMENTS_PER_MESSAGE).map(move |chunk| map.table.add(map, chunk));
                chunks.collect::<Vec<_>>()
            })
            .collect()
    }

    /// The elements that have a key of ours; fails if one is another pod's port, or place on the node's network.
    fn in_the_way(&self, socket: &mut Socket) -> Result<Vec<(Map, Element)>, NftError> {
        let present = self.present(socket)?;
        for (map, element) in &present {
            let holder = Label::parse(&element.comment);
            if holder.as_ref().is_some_and(|holder| holder.id == self.id) {
                continue;
            }
            if let Some(port) = host_ports::node_port(*map, &element.key)
                && let Some(wanted_by) = Label::parse(&self.alias)
            {
                let taken = PortTaken { port: port.to_string(), wanted_by, holder };
                return Err(NftError::PortTaken(Box::new(taken)));
            }
            if segment::STATIONS.contains(map)
                && let Some((address, _)) = segment::station(element)
                && let Some(holder) = holder
            {
                return Err(NftError::AddressTaken { address, holder: Box::new(holder) });
            }
        }
        Ok(present)
    }

    /// The keys of our elements in a map.
    fn keys_in(&self, map: Map) -> Vec<&[u8]> {
        let of_map = self.elements.iter().filter(|(in_map, _)| *in_map == map);
        of_map.map(|(_, element)| &*element.key).collect()
    }

    /// The elements that have a key of ours, whoever's they are.
    fn present(&self, socket: &mut Socket) -> Result<Vec<(Map, Element)>, NftError> {
        let mut present = Vec::new();
        for (map, elements) in by_map(&self.elements) {
            let keys: Vec<&[u8]> = elements.iter().map(|element| &*element.key).collect();
            present.extend(reading::elements(socket, map, &keys)?.into_iter().map(|element| (map, element)));
        }
        Ok(present)
    }
}

/// Looks for the chains that a pod without a bridge mostly needs.
pub(crate) fn see_chains_of_routed(socket: &mut Socket) -> Seen {
    Seen::among(socket, &[reflections::CHAIN, guard::BLOCKED, guard::ANTI_SPOOFING])
}

/// Removes the rules of the owner with this id.
///
/// With `known` rules only their elements are looked at, without, all. No element, no table and a kernel without
/// `nf_tables` are success.
pub(crate) fn remove(
    socket: &mut Socket,
    id: OwnerId,
    known: Option<&PodRules>,
) -> Result<Removed, NftError> {
    let mut removed = Removed::default();
    let committed = transaction::commit_what_is_read(socket, |socket| {
        let mut elements = match known {
            Some(rules) => rules.present(socket)?,
            None => all(socket)?,
        };
        elements.retain(|(_, element)| Label::parse(&element.comment).is_some_and(|label| label.id == id));
        removed = Removed { elements: elements.len(), udp_ports: udp_ports(&elements) };
        Ok(deletions(&elements))
    });
    match committed {
        Err(NftError::Unsupported { .. }) => Ok(Removed::default()),
        committed => committed.map(|_| removed),
    }
}

/// Where the owner's pod is on the bridge, by its elements: its addresses there, each with the Ethernet address.
pub(crate) fn stations(
    socket: &mut Socket,
    id: OwnerId,
    known: Option<&PodRules>,
) -> Result<Vec<(IpAddr, MacAddr)>, NftError> {
    let mut elements = Vec::new();
    for map in segment::STATIONS {
        elements.extend(match known {
            Some(rules) => reading::elements(socket, map, &rules.keys_in(map))?,
            None => reading::all_elements(socket, map)?,
        });
    }
    elements.retain(|element| Label::parse(&element.comment).is_some_and(|label| label.id == id));
    Ok(elements.iter().filter_map(segment::station).collect())
}

/// Removes the rules of the owner with this id, whatever they are.
pub fn remove_all(socket: &mut Socket, id: OwnerId) -> Result<(), NftError> {
    remove(socket, id, None).map(drop)
}

/// Whose rules there are, as far as podnet put them there.
pub fn owners(socket: &mut Socket) -> Result<Vec<Label>, NftError> {
    let elements = match all(socket) {
        Err(NftError::Unsupported { .. }) => return Ok(Vec::new()),
        elements => elements?,
    };
    Ok(elements.iter().filter_map(|(_, element)| Label::parse(&element.comment)).collect())
}

/// Every element of every map.
fn all(socket: &mut Socket) -> Result<Vec<(Map, Element)>, NftError> {
    let mut all = Vec::new();
    for map in all_maps() {
        all.extend(reading::all_elements(socket, map)?.into_iter().map(|element| (map, element)));
    }
    Ok(all)
}

fn all_maps() -> impl Iterator<Item = Map> {
    let of_inet = masquerade::MAPS.into_iter().chain(services::MAPS).chain(host_ports::MAPS);
    let guarded = [TABLE, FRAMES]
        .into_iter()
        .flat_map(|table| guard::block_maps(table).into_iter().chain(guard::sender_maps_of(table)));
    of_inet.chain(reflections::MAPS).chain(guarded).chain(segment::MAPS)
}

fn deletions(elements: &[(Map, Element)]) -> Vec<Request> {
    let requests = by_map(elements).flat_map(|(map, elements)| {
        let chunks = elements.chunks(ELEMENTS_PER_MESSAGE).map(move |chunk| {
            map.table.delete(map, &chunk.iter().map(|element| &*element.key).collect::<Vec<_>>())
        });
        chunks.collect::<Vec<_>>()
    });
    requests.collect()
}

/// The elements of each map that has any.
fn by_map(elements: &[(Map, Element)]) -> impl Iterator<Item = (Map, Vec<&Element>)> {
    all_maps().filter_map(|map| {
        let of_map: Vec<_> =
            elements.iter().filter(|(in_map, _)| *in_map == map).map(|(_, element)| element).collect();
        (!of_map.is_empty()).then_some((map, of_map))
    })
}

fn udp_ports(elements: &[(Map, Element)]) -> Vec<NodePort> {
    let ports = elements.iter().filter_map(|(map, element)| host_ports::node_port(*map, &element.key));
    ports.filter(|port| port.transport == Transport::Udp).collect()
}

fn describe(map: Map, key: &[u8]) -> String {
    if masquerade::MAPS.contains(&map) {
        masquerade::describe(key)
    } else if services::MAPS.contains(&map) {
        services::describe(key)
    } else if reflections::MAPS.contains(&map) {
        reflections::describe(key)
    } else {
        let described = guard::describe(map, key).or_else(|| segment::describe(map, key));
        described.unwrap_or_else(|| host_ports::describe(map, key))
    }
}

/// Whether a refused addition may succeed once what is in the kernel is known: a key that is there already,
/// something that is not there, or no place in a map that is being resized.
fn is_worth_a_look(error: &NetlinkError) -> bool {
    matches!(error.errno(), Some(Errno::EEXIST | Errno::ENOENT | Errno::EBUSY))
}
