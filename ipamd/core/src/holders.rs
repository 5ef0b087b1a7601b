//! Attachments and what each holds, found by key in whatever client's spelling.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attachment::{Attachment, Key};
use crate::family::Addresses;

/// An attachment and its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub attachment: Arc<Attachment>,
    /// What.
    pub addresses: Addresses,
}

/// What a key may mean.
pub(crate) enum Found<'a> {
    Nobody,
    One(&'a Holder),
    /// The key names no interface, and the container has this many attachments.
    Several(usize),
}

/// By container: it has one attachment, rarely more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holders {
    by_container: HashMap<Arc<str>, Vec<Holder>>,
}

impl Holders {
    pub(crate) fn find(&self, key: &Key) -> Found<'_> {
        let all = self.by_container.get(key.container()).map_or(&[][..], Vec::as_slice);
        if let Some(exact) = all.iter().find(|holder| holder.attachment.key() == key) {
            return Found::One(exact);
        }
        let mut matching = all.iter().filter(|holder| holder.attachment.key().matches(key));
        match (matching.next(), matching.count()) {
            (None, _) => Found::Nobody,
            (Some(holder), 0) => Found::One(holder),
            (Some(_), others) => Found::Several(1 + others),
        }
    }

    pub(crate) fn insert(&mut self, holder: Holder) {
        let container = holder.attachment.key().shared_container();
        self.by_container.entry(container).or_default().push(holder);
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Holder> {
        let all = self.by_container.get_mut(key.container())?;
        let at = all.iter().position(|holder| holder.attachment.key() == key)?;
        let holder = all.swap_remove(at);
        if all.is_empty() {
            self.by_container.remove(key.container());
        }
        Some(holder)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Holder> {
        self.by_container.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, Holders};
    use crate::testing::key;
    use crate::{Addresses, Attachment};

    #[test]
    fn nothing_stays_of_an_attachment_that_is_gone() {
        let mut holders = Holders::default();
        let attachment = Attachment::new(&crate::testing::by_ipam("a", "eth0")).unwrap();
        holders.insert(Holder { attachment: attachment.into(), addresses: Addresses::default() });
        assert!(holders.remove(&key("a")).is_some());
        assert!(holders.by_container.is_empty());
    }
}
