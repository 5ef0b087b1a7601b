//! Whose a reservation is, and how its file says so.

use std::fmt;

/// Content of more bytes than this is nobody's reservation, so that a foreign file is never read whole.
pub(crate) const LONGEST_CONTENT: usize = 4096;

/// The attachment that holds a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationOwner {
    container_id: String,
    /// None in files of reference plugins before 0.8, which wrote the container ID alone.
    ifname: Option<String>,
}

/// An owner whose reservation could not be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// Not a letter or digit followed by letters, digits, `_`, `.` and `-` (CNI specification,
    /// `CNI_CONTAINERID`).
    #[error("container ID {0:?} cannot be written to a reservation")]
    ContainerId(String),
    /// Empty, or with a character that no interface name may have.
    #[error("interface name {0:?} cannot be written to a reservation")]
    IfName(String),
}

impl ReservationOwner {
    /// The owner for an attachment. White space around the container ID is not part of it, as for the
    /// reference plugin.
    pub fn new(container_id: &str, ifname: &str) -> Result<Self, OwnerError> {
        let container_id = container_id.trim();
        if !is_container_id(container_id) {
            return Err(OwnerError::ContainerId(container_id.to_owned()));
        }
        if !is_ifname(ifname) {
            return Err(OwnerError::IfName(ifname.to_owned()));
        }
        Ok(Self { container_id: container_id.to_owned(), ifname: Some(ifname.to_owned()) })
    }

    /// The container's ID.
    pub fn container_id(&self) -> &str {
        &self.container_id
    }

    /// The interface's name; none in a legacy reservation, which stands for any interface of the container.
    pub fn ifname(&self) -> Option<&str> {
        self.ifname.as_deref()
    }

    /// Whether the reservation is the attachment's: the same container and, unless the reservation is a
    /// legacy one, the same interface.
    pub fn is(&self, container_id: &str, ifname: &str) -> bool {
        self.container_id == container_id && self.ifname().is_none_or(|own| own == ifname)
    }

    /// Whether a reservation of this owner is one of `attachment`'s.
    pub(crate) fn covers(&self, attachment: &Self) -> bool {
        self.container_id == attachment.container_id
            && (self.ifname.is_none() || self.ifname == attachment.ifname)
    }

    /// A file's content: container ID, CR LF, interface name, and no end of line.
    pub(crate) fn content(&self) -> String {
        match &self.ifname {
            Some(ifname) => format!("{}\r\n{ifname}", self.container_id),
            None => self.container_id.clone(),
        }
    }

    /// Reads a file's content; none where nobody could have written it as a reservation.
    fn parse(content: &[u8]) -> Option<Self> {
        let text = str::from_utf8(content.trim_ascii()).ok()?;
        let (container_id, ifname) = match text.split_once("\r\n") {
            Some((container_id, ifname)) => (container_id, Some(ifname)),
            None => (text, None),
        };
        (is_container_id(container_id) && ifname.is_none_or(is_ifname))
            .then(|| Self { container_id: container_id.to_owned(), ifname: ifname.map(str::to_owned) })
    }
}

impl fmt::Display for ReservationOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {}", self.container_id)?;
        self.ifname().map_or(Ok(()), |ifname| write!(f, " interface {ifname}"))
    }
}

/// What stands in a file that bears the name of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A reservation.
    Owner(ReservationOwner),
    /// Nothing: the reference plugin, killed between creating the file and writing it, leaves this (plugins
    /// #498).
    Empty,
    /// Something else, or no regular file, or one that cannot be read. It counts as taken and is never
    /// deleted.
    Foreign,
}

impl Holder {
    pub(crate) fn of(content: &[u8]) -> Self {
        match ReservationOwner::parse(content) {
            Some(owner) => Self::Owner(owner),
            None if content.is_empty() => Self::Empty,
            None => Self::Foreign,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => owner.fmt(f),
            Self::Empty => f.write_str("nobody (the file is empty)"),
            Self::Foreign => f.write_str("a file that is no reservation"),
        }
    }
}

/// The length leaves room for an interface name in [`LONGEST_CONTENT`].
fn is_container_id(text: &str) -> bool {
    text.len() < LONGEST_CONTENT - 64
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The kernel's rule (`dev_valid_name`), without its length of 15: the protocol checks that.
fn is_ifname(text: &str) -> bool {
    (1..64).contains(&text.len())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':'))
}

#[cfg(test)]
mod tests;
