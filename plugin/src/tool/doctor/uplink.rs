//! The node's link to its network, as mode vnet needs it: by the name that the configuration says, else the default route's.

use podnet_datapath::ApplyError;

use super::finding::{Finding, Severity, quoted, set_member};
use super::node::Node;
use crate::cmd::status::check_way_out;
use crate::error::{Error, chain};
use crate::mode::Mode;

/// Looks as STATUS and ADD do.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    for network in &node.networks {
        let Some(Mode::Vnet(vnet)) = network.settings.as_ref().map(|settings| &settings.mode) else {
            continue;
        };
        match check_way_out(vnet) {
            Ok(()) => {}
            Err(error @ ApplyError::Netlink(_)) => return Err(error.into()),
            Err(error) => {
                let file = network.file.to_string_lossy();
                found.push(finding(&network.name, &error, &file, &node.text_of(network)));
            }
        }
    }
    Ok(found)
}

/// # Arguments
/// `text`: the content of the network's file.
fn finding(network: &str, error: &ApplyError, file: &str, text: &str) -> Finding {
    let fix = match error {
        ApplyError::UplinkDown { name } => format!("ip link set {} up", quoted(name.as_str())),
        // Which link it is only a person can say.
        _ => set_member("master", r#""$UPLINK""#, file, text).replace("$UPLINK", r"'$UPLINK'"),
    };
    Finding {
        severity: Severity::Error,
        check: "uplink",
        object: format!("network {network}"),
        problem: chain(error),
        why: "no pod gets a network: ADD needs the node's link to the virtual network".to_owned(),
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_down_is_switched_on_and_another_one_is_named() {
        let name: podnet_datapath::LinkName = "eth1".parse().unwrap();
        let down = finding("azure", &ApplyError::UplinkDown { name: name.clone() }, "/c/10", "");
        assert_eq!((down.severity, down.fix.as_str()), (Severity::Error, "ip link set eth1 up"));
        assert!(down.problem.contains("eth1") && down.problem.contains("is down"), "{}", down.problem);
        let missing =
            |text| finding("azure", &ApplyError::NoUplink { name: name.clone() }, "/c/10", text).fix;
        let there = missing(r#"{"master": "eth1"}"#);
        assert!(there.ends_with(r#"\1"'$UPLINK'"/' /c/10"#), "{there}");
        assert!(missing("{}").ends_with(r#"/&, "master": "'$UPLINK'"/' /c/10"#), "{}", missing("{}"));
    }
}
