//! The attachments that a garbage collection must leave.
//!
//! The difference between no list and an empty list is the difference between nothing to do and
//! everything to remove: libcni leaves the member out when its caller gave no list, and sends `null`
//! when the caller's list is empty.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{ErrorObject, code};
use crate::json::{self, DecodeError};
use crate::name::{ContainerId, IfName};

/// The member's names: that of the specification 1.1.0 as it is now, and as it was first published.
/// libcni sends both, with one value.
const MEMBERS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// The attachments of one network that are valid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidAttachments(HashMap<String, HashSet<String>>);

/// A list of valid attachments that cannot be relied on; nothing may be removed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid list of valid attachments")]
pub struct ValidAttachmentsError(#[source] DecodeError);

impl From<ValidAttachmentsError> for ErrorObject {
    fn from(error: ValidAttachmentsError) -> Self {
        Self::new(code::INVALID_NETWORK_CONFIG, format!("{error}: {}", error.0))
    }
}

impl ValidAttachments {
    /// Reads the list from a configuration: nothing where there is none, an empty list where it is
    /// `null`. An entry that is malformed in any way is an error: it may mean a live container.
    pub fn from_config(config: &Value) -> Result<Option<Self>, ValidAttachmentsError> {
        let given = MEMBERS.iter().find_map(|name| json::member(config, name).map(|list| (*name, list)));
        match given {
            None => Ok(None),
            Some((_, Value::Null)) => Ok(Some(Self::default())),
            Some((name, list)) => {
                let entries: Vec<Entry> = json::decode(list)
                    .map_err(|error| ValidAttachmentsError(error.within(&format!("[{name:?}]"))))?;
                Ok(Some(entries.into_iter().collect()))
            }
        }
    }

    /// Whether the attachment is valid.
    pub fn contains(&self, container_id: &str, ifname: &str) -> bool {
        self.0.get(container_id).is_some_and(|ifnames| ifnames.contains(ifname))
    }

    /// Each as container and interface.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(container, ifnames)| {
            ifnames.iter().map(move |ifname| (container.as_str(), ifname.as_str()))
        })
    }

    /// Whether any attachment of the container is valid; for records that name no interface.
    pub fn contains_container(&self, container_id: &str) -> bool {
        self.0.contains_key(container_id)
    }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "containerID")]
    container_id: ContainerId,
    ifname: IfName,
}

impl FromIterator<Entry> for ValidAttachments {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut valid = Self::default();
        for Entry { container_id, ifname } in entries {
            valid.0.entry(container_id.into()).or_default().insert(ifname.into());
        }
        valid
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(config: &Value) -> Result<Option<ValidAttachments>, ValidAttachmentsError> {
        ValidAttachments::from_config(config)
    }

    #[test]
    fn no_list_is_not_an_empty_list() {
        assert_eq!(parse(&json!({})), Ok(None));
        for member in MEMBERS {
            for empty in [json!(null), json!([])] {
                assert_eq!(parse(&json!({ member: empty })), Ok(Some(ValidAttachments::default())));
            }
        }
    }

    #[test]
    fn either_member_is_read_the_first_preferred() {
        let entry = |id: &str| json!([{"containerID": id, "ifname": "eth0"}]);
        for member in MEMBERS {
            let valid = parse(&json!({ member: entry("c1") })).unwrap().unwrap();
            assert!(valid.contains("c1", "eth0"));
            assert!(!valid.contains("c1", "eth1") && !valid.contains("c2", "eth0"));
            assert!(valid.contains_container("c1") && !valid.contains_container("c2"));
        }
        let [first, second] = MEMBERS;
        let both = parse(&json!({ first: entry("c1"), second: entry("c2") })).unwrap().unwrap();
        assert!(both.contains("c1", "eth0") && !both.contains("c2", "eth0"));
    }

    #[test]
    fn a_malformed_entry_is_named() {
        let good = json!({"containerID": "c1", "ifname": "eth0"});
        let cases = [
            (json!({"containerID": "c1"}), "[1]: "),
            (json!({"containerID": "../c1", "ifname": "eth0"}), "[1].containerID: "),
            (json!({"containerID": "c1", "ifname": ""}), "[1].ifname: "),
            (json!({"containerID": 5, "ifname": "eth0"}), "[1].containerID: "),
            (json!("c1"), "[1]: "),
        ];
        for (bad, place) in cases {
            let object = ErrorObject::from(parse(&json!({ MEMBERS[0]: [good, bad] })).unwrap_err());
            assert_eq!(object.code, 7);
            assert!(object.msg.contains(&format!("[\"{}\"]{place}", MEMBERS[0])), "{}", object.msg);
        }
        assert!(parse(&json!({ MEMBERS[0]: "c1" })).is_err());
        assert!(parse(&json!({ MEMBERS[0]: {} })).is_err());
    }
}
