//! What is found where a pod's rules should be.

use std::fmt;

use crate::Label;

/// Something that a pod's rules need and that is not there as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDifference {
    /// What it is about.
    pub object: String,
    /// What is wrong with it.
    pub found: String,
}

/// A port of the node that another pod has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortTaken {
    /// The port.
    pub port: String,
    /// Who wants it.
    pub wanted_by: Label,
    /// Who has it; `None`: the element is not podnet's.
    pub holder: Option<Label>,
}

impl fmt::Display for PortTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.holder.as_ref().map(Label::to_string);
        let holder = holder.unwrap_or_else(|| "an element that is not podnet's".to_owned());
        write!(f, "{}, asked for by {}, is taken by {holder}", self.port, self.wanted_by)
    }
}
