//! What is granted, and from what: the configuration as the pure core needs it.

use std::time::Duration;

use podnet_ipam_core::Family;

use super::subnet::{Subnet, Unit};

/// What a node gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `vnet`: single addresses of the subnet, as many as the node asks for; it gives back what it does not need.
    Vnet,
    /// `vnetblock`: a fixed number of blocks of the subnet.
    VnetBlock,
    /// `overlay`: one block of a range that only the cluster knows.
    Overlay,
}

impl Mode {
    /// Whether nodes ask for more and give back (`assignmentMode: dynamic`).
    pub fn is_dynamic(self) -> bool {
        self == Self::Vnet
    }
}

/// How nodes are to ask (`status.scaler`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaler {
    /// Addresses at a time, and the first grant.
    pub batch: u32,
    /// In per cent of a batch: fewer free ones, and more are asked for.
    pub request_percent: u32,
    /// In per cent of a batch: more free ones, and some are given back.
    pub release_percent: u32,
    /// The most addresses of a node, of each family.
    pub max: u32,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What a node gets.
    pub mode: Mode,
    /// Subnets apart from each other; of each family, a node gets units of one.
    pub subnets: Vec<Subnet>,
    /// How nodes are to ask.
    pub scaler: Scaler,
    /// Blocks a node and family, the primary one among them.
    pub blocks: u32,
    /// How long a unit rests between two nodes.
    pub rest: Duration,
}

impl Settings {
    /// A subnet by its place.
    pub fn subnet(&self, place: u16) -> Option<&Subnet> {
        self.subnets.get(usize::from(place))
    }

    /// Subnets with their places.
    pub fn places(&self) -> impl Iterator<Item = (u16, &Subnet)> {
        (0..).zip(&self.subnets)
    }

    /// The family of a unit.
    pub fn family(&self, unit: Unit) -> Option<Family> {
        self.subnet(unit.subnet).map(Subnet::family)
    }

    /// Whether two units are of one family.
    pub fn are_kin(&self, one: Unit, other: Unit) -> bool {
        self.family(one) == self.family(other)
    }
}
