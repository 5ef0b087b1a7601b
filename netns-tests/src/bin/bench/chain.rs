//! A whole node's plugin chain: `bridge`, `host-local`, `portmap` and `bandwidth` of the reference, against podnet, which
//! does all of it. Every pod has a host port and is limited in both directions.

use std::collections::BTreeMap;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::parallel;
use podnet_netns_tests::process::{Finished, run};
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::samples::{Samples, Times, wall};
use podnet_netns_tests::subject::{Family, Subject};
use serde_json::{Value, json};

use crate::contestant::Who;
use crate::measure::{BURST, WORKERS};

/// Host ports of other pods: so many pods with so many ports each.
const OTHERS: (u16, u16) = (10, 100);
/// How often they come and go.
const TURNS: usize = 5;

/// What was measured of the chain.
#[derive(Debug)]
pub(crate) struct Figures {
    /// One at a time.
    pub(crate) single: BTreeMap<Who, Times>,
    /// Wall time of a burst of ADDs, and of the DELs after it.
    pub(crate) burst: BTreeMap<Who, (Samples, Samples)>,
    /// podnet's ADD and DEL without, and with a thousand host ports of other pods installed.
    pub(crate) ports: (Times, Times),
}

/// The chain of one contestant.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) who: Who,
    network: Network,
}

impl Chain {
    /// On a bridge of its own, which is there. `limited`: whether its pods are limited.
    pub(crate) fn new(who: Who, name: &str, limited: bool) -> Result<Self, Failure> {
        let (subject, octet) = match who {
            Who::Reference => (Subject::Reference, 11),
            Who::Podnet => (Subject::Podnet, 12),
            Who::Floor => return Err(Failure::failed("the floor has no chain")),
        };
        let name = format!("{}{name}", &who.title()[..3]);
        let ranges = json!([[{"subnet": format!("10.{octet}.0.0/16")}]]);
        let network =
            Network::of(subject, Family::V4)?.with("/bridge", name.as_str()).with("/ipam/ranges", ranges);
        let mut network = Network { name, ..network };
        if who == Who::Reference {
            network.plugins.push(json!({"type": "portmap"}));
            network.plugins.extend(limited.then(|| json!({"type": "bandwidth"})));
        }
        if let (true, Some(limiting)) = (limited, network.plugins.last_mut()) {
            for (member, value) in [("Rate", 100_000_000_u32), ("Burst", 10_000_000)] {
                limiting[format!("ingress{member}")] = value.into();
                limiting[format!("egress{member}")] = value.into();
            }
        }
        let chain = Self { who, network };
        chain.once("first", 1, &mut Times::default())?;
        Ok(chain)
    }

    /// ADD through all plugins, with these host ports.
    pub(crate) fn add(&self, pod: &Pod, ports: &Value) -> Result<(Added, Cost), Failure> {
        let network = self.with_ports(ports);
        let (mut cost, mut previous) = (Cost::default(), None);
        for index in 0..network.plugins.len() {
            let extra: Vec<_> =
                previous.iter().map(|result: &Value| ("prevResult", result.clone())).collect();
            let stdout = cost.of(call(&network, index, "ADD", pod, &extra)?).success()?;
            previous = Some(serde_json::from_str(&stdout)?);
        }
        Ok((Added(previous.doing("a chain of no plugins")?), cost))
    }

    /// DEL through all plugins, with these host ports.
    pub(crate) fn del(&self, pod: &Pod, ports: &Value, added: &Added) -> Result<Cost, Failure> {
        let network = self.with_ports(ports);
        let mut cost = Cost::default();
        for index in (0..network.plugins.len()).rev() {
            let extra = [("prevResult", added.0.clone())];
            cost.of(call(&network, index, "DEL", pod, &extra)?).success()?;
        }
        Ok(cost)
    }

    /// The chain as the runtime passes it these host ports.
    fn with_ports(&self, ports: &Value) -> Network {
        let mut network = self.network.clone();
        let of_ports = match self.who {
            Who::Reference => network.plugins.iter_mut().find(|entry| entry["type"] == "portmap"),
            _ => network.plugins.first_mut(),
        };
        if let Some(entry) = of_ports {
            entry["runtimeConfig"] = json!({ "portMappings": ports });
        }
        network
    }

    fn once(&self, name: &str, port: u16, times: &mut Times) -> Result<(), Failure> {
        let pod = Pod::create(&format!("{}-{name}", self.network.name))?;
        let ports = tcp_ports(port, 1);
        let (added, add) = self.add(&pod, &ports)?;
        let del = self.del(&pod, &ports, &added)?;
        times.add.push(add.wall);
        times.del.push(del.wall);
        times.cpu.push(add.cpu + del.cpu);
        Ok(())
    }
}

/// What the processes of a chain took together.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    wall: Duration,
    cpu: Duration,
}

impl Cost {
    fn of(&mut self, finished: Finished) -> Finished {
        self.wall += finished.wall;
        self.cpu += finished.cpu;
        finished
    }
}

fn call(
    network: &Network,
    index: usize,
    verb: &str,
    pod: &Pod,
    extra: &[(&str, Value)],
) -> Result<Finished, Failure> {
    let config = network.config(index, extra)?.to_string();
    run(&mut network.command(index, verb, Some(pod))?, config.as_bytes())
}

/// So many ports from this one on, each to the pod's port 80.
pub(crate) fn tcp_ports(first: u16, number: u16) -> Value {
    let port = |port| json!({"hostPort": port, "containerPort": 80, "protocol": "tcp"});
    (first..first + number).map(port).collect()
}

/// Measures all of it; `rounds` is the number of samples of what is quick.
pub(crate) fn measure(rounds: usize) -> Result<Figures, Failure> {
    let chains = [Chain::new(Who::Reference, "chn", true)?, Chain::new(Who::Podnet, "chn", true)?];
    let mut single = BTreeMap::<Who, Times>::new();
    for round in 0..rounds {
        for index in [round % 2, (round + 1) % 2] {
            let chain = &chains[index];
            chain.once(&format!("one{round}"), 8080, single.entry(chain.who).or_default())?;
        }
    }
    let burst = bursts(&chains, 3)?;
    let [_, podnet] = chains;
    Ok(Figures { single, burst, ports: among_ports(&podnet, rounds)? })
}

fn bursts(chains: &[Chain], rounds: usize) -> Result<BTreeMap<Who, (Samples, Samples)>, Failure> {
    let mut walls = BTreeMap::<Who, (Samples, Samples)>::new();
    for round in 0..rounds {
        for chain in chains {
            let name = |number: usize| format!("{}-burst{round}-{number}", chain.network.name);
            let pods = (0..BURST).map(|number| Pod::create(&name(number))).collect::<Result<Vec<_>, _>>()?;
            let ports = (20_000..).map(|port| tcp_ports(port, 1));
            let pods: Vec<_> = pods.into_iter().zip(ports).collect();
            let (adds, dels) = walls.entry(chain.who).or_default();
            let mut added = Vec::new();
            adds.push(wall(|| {
                added = parallel::each(WORKERS, &pods, |(pod, ports)| chain.add(pod, ports))?;
                Ok(())
            })?);
            let pods: Vec<_> = pods.iter().zip(&added).collect();
            dels.push(wall(|| {
                parallel::each(WORKERS, &pods, |((pod, ports), (added, _))| chain.del(pod, ports, added))
            })?);
        }
    }
    Ok(walls)
}

fn among_ports(podnet: &Chain, rounds: usize) -> Result<(Times, Times), Failure> {
    let (mut none, mut many) = Default::default();
    let mut others = Vec::new();
    for number in 0..OTHERS.0 {
        others
            .push((Pod::create(&format!("other{number}"))?, tcp_ports(20_000 + number * OTHERS.1, OTHERS.1)));
    }
    // In turns, so that what else the machine does meets both.
    for _ in 0..TURNS {
        for round in 0..rounds.div_ceil(TURNS) {
            podnet.once(&format!("none{round}"), 8080, &mut none)?;
        }
        let added =
            others.iter().map(|(pod, ports)| podnet.add(pod, ports)).collect::<Result<Vec<_>, _>>()?;
        for round in 0..rounds.div_ceil(TURNS) {
            podnet.once(&format!("many{round}"), 8080, &mut many)?;
        }
        for ((pod, ports), (added, _)) in others.iter().zip(&added) {
            podnet.del(pod, ports, added)?;
        }
    }
    Ok((none, many))
}
