//! Who a kernel object belongs to.
//!
//! An attachment is known by its key: network, container, interface name. Whatever podnet makes for it
//! carries the [`OwnerId`], a digest of the key: in the host link's name, in its alias, in the comments of
//! nftables elements. So the key alone finds everything, and everything found tells its key:
//!
//! ```text
//! key ──SHA-256, 128 bits──▶ id ──▶ link names       veth + digits 1–11, or 12–22
//!                            id + key ──▶ alias      0123…cdef kubenet 4a1f… eth0      ──▶ Label
//! ```

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{LinkName, LinkPrefix, MacAddr};

/// The longest alias in bytes: what nftables takes as a comment is the least of all limits.
const ALIAS_LIMIT: usize = 128;

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// The first 128 bits of SHA-256 over the key's three parts, each with its length (u32, big-endian) before
/// it. Text form: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(u128);

impl OwnerId {
    fn of(network: &str, container: &str, ifname: &str) -> Self {
        let mut digest = Sha256::new();
        for part in [network, container, ifname] {
            digest.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        Self(digest.first_chunk().map_or(0, |first| u128::from_be_bytes(*first)))
    }

    /// The sixteen bytes.
    pub const fn octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads the text form; no other spelling is one.
    pub fn parse(digits: &str) -> Option<Self> {
        let is_id = digits.len() == ID_DIGITS
            && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| u128::from_str_radix(digits, 16).ok().map(Self))?
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerId({self})")
    }
}

/// An attachment: one interface of one container in one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    id: OwnerId,
    network: String,
    container: String,
    ifname: String,
}

impl Owner {
    /// The owner of this key. No part contains white space, as the CNI specification has it.
    pub fn new(network: impl Into<String>, container: impl Into<String>, ifname: impl Into<String>) -> Self {
        let (network, container, ifname) = (network.into(), container.into(), ifname.into());
        Self { id: OwnerId::of(&network, &container, &ifname), network, container, ifname }
    }

    /// The digest of the key.
    pub fn id(&self) -> OwnerId {
        self.id
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The container's id.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The interface's name inside the container.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// The Ethernet address of the host's end: locally administered, with digits of the id that are not in the
    /// link's names. A link with one of the names and this address is the owner's, even without its alias.
    pub fn mac(&self) -> MacAddr {
        let mut bytes = [0x02; 6];
        bytes[1..].copy_from_slice(&self.id.octets()[11..]);
        MacAddr::new(bytes)
    }

    /// An Ethernet address for the pod's end, where no address of the pod's says one: locally administered, with digits
    /// of the id that [`Owner::mac`] has not.
    pub fn pod_mac(&self) -> MacAddr {
        let mut bytes = [0x06; 6];
        bytes[1..].copy_from_slice(&self.id.octets()[6..11]);
        MacAddr::new(bytes)
    }

    /// The names that the host's end may have: the second is used where the first is taken by a link of
    /// another owner.
    pub fn link_names(&self, prefix: LinkPrefix) -> [LinkName; 2] {
        let digits = self.id.to_string();
        [0, LinkPrefix::DIGITS]
            .map(|start| prefix.with(digits.get(start..start + LinkPrefix::DIGITS).unwrap_or_default()))
    }

    /// What an alias says that nothing is cut off of.
    pub fn label(&self) -> Label {
        let Self { id, network, container, ifname } = self.clone();
        Label { id, network, container, ifname }
    }

    /// The text that marks an object as this owner's: the id, then network, container and interface name
    /// between spaces, cut off at 128 bytes. [`Label::parse`] reads it.
    pub fn alias(&self) -> String {
        let Self { id, network, container, ifname } = self;
        let mut alias = format!("{id} {network} {container} {ifname}");
        alias.truncate(alias.floor_char_boundary(ALIAS_LIMIT));
        alias
    }
}

/// What an alias or comment of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The owner's id, always whole.
    pub id: OwnerId,
    /// The network's name; this and what follows may be cut off at the end of the text.
    pub network: String,
    /// The container's id; empty where it was cut off.
    pub container: String,
    /// The interface's name in the container; empty where it was cut off.
    pub ifname: String,
}

impl Label {
    /// Reads an alias or comment; `None` where the text is not of the form that [`Owner::alias`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let id = OwnerId::parse(parts.next()?)?;
        let network = parts.next()?.to_owned();
        let mut rest = || parts.next().unwrap_or_default().to_owned();
        Some(Self { id, network, container: rest(), ifname: rest() })
    }

    /// The owner, where nothing was cut off: the parts' digest is the id.
    pub fn owner(&self) -> Option<Owner> {
        let owner = Owner::new(&*self.network, &*self.container, &*self.ifname);
        (owner.id == self.id).then_some(owner)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, network, container, ifname } = self;
        write!(f, "interface {ifname} of container {container} in network {network}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner() -> Owner {
        Owner::new("kubenet", "cnitool-77383ca0a0715733ca6f", "eth0")
    }

    /// Computed with coreutils:
    /// `printf '\0\0\0\7kubenet\0\0\0\34cnitool-77383ca0a0715733ca6f\0\0\0\4eth0' | sha256sum`.
    #[test]
    fn id_names_and_alias_are_stable() {
        let owner = owner();
        assert_eq!(owner.id().to_string(), "a487501dd16f042a2fc6f8fbde8db5b2");
        assert_eq!(
            owner.link_names(LinkPrefix::VETH).map(String::from),
            ["vetha487501dd16", "vethf042a2fc6f8"]
        );
        assert_eq!(
            owner.alias(),
            "a487501dd16f042a2fc6f8fbde8db5b2 kubenet cnitool-77383ca0a0715733ca6f eth0"
        );
    }

    #[test]
    fn a_part_cannot_lend_a_byte_to_its_neighbour() {
        assert_ne!(Owner::new("a", "bc", "d").id(), Owner::new("ab", "c", "d").id());
        assert_ne!(Owner::new("a", "b", "cd").id(), Owner::new("a", "bc", "d").id());
    }

    #[test]
    fn foreign_text_is_no_label() {
        let id = owner().id().to_string();
        for text in
            ["", "uplink", &id, &id.to_uppercase(), &format!("{id}0 a b c"), &format!("+{} a b c", &id[1..])]
        {
            assert_eq!(Label::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_alias_fits_and_leads_back_to_its_owner(
            network in "[a-z0-9][a-z0-9_.-]{0,60}",
            container in "[a-z0-9][a-z0-9_.-]{0,80}",
            ifname in "[^\\s/:]{1,15}",
        ) {
            let owner = Owner::new(network, container, ifname);
            let alias = owner.alias();
            prop_assert!(alias.len() <= ALIAS_LIMIT);
            let label = Label::parse(&alias).unwrap();
            prop_assert_eq!(label.id, owner.id());
            prop_assert!(owner.network().starts_with(&label.network));
            let whole = ID_DIGITS + 3 + owner.network().len() + owner.container().len() + owner.ifname().len();
            prop_assert_eq!(label.owner(), (whole <= ALIAS_LIMIT).then_some(owner));
        }
    }
}
