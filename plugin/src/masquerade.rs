//! Masquerading as the reference plugins write it with `ipMasqBackend: iptables`, so that either's DEL removes it.
//!
//! ```text
//! POSTROUTING   -s 10.1.0.2/32 -m comment --comment "name: \"n\" id: \"c1\"" -j CNI-…      one an address
//! CNI-…         -d 10.1.0.0/24 … -j ACCEPT                                              one a subnet
//!               ! -d 224.0.0.0/4 … -j MASQUERADE                                        ff00::/8 for IPv6
//! ```
//!
//! A container's interfaces in one network share the chain, whose name does not say the interface: the first DEL takes it.

use ipnet::IpNet;
use podnet_datapath::Owner;
use podnet_datapath::reference::{masquerade_chain, masquerade_comment};

use crate::portmap::iptables;
use crate::portmap::listing::{Changes, Listing, escaped};
use crate::portmap::{Family, PortmapError};

const BASE: &str = "POSTROUTING";

/// Has what comes from these addresses of the owner leave their subnets with the node's address.
pub(crate) fn add(owner: &Owner, addresses: &[IpNet]) -> Result<(), PortmapError> {
    let chain = masquerade_chain(owner);
    each_family(addresses, |family, of_family| {
        iptables::change(family, |listing| addition(listing, &chain, &rules(owner, of_family)))
    })
}

/// What [`add`] made and is not there.
pub(crate) fn check(owner: &Owner, addresses: &[IpNet]) -> Result<Vec<String>, PortmapError> {
    let mut missing = Vec::new();
    each_family(addresses, |family, of_family| {
        let text = iptables::list(family)?;
        let listing = Listing::read(&text);
        let rules =
            rules(owner, of_family).into_iter().filter(|(chain, rule)| !listing.has_rule(chain, rule));
        missing
            .extend(rules.map(|(chain, rule)| format!("rule {rule:?} of iptables chain {chain} is missing")));
        Ok(())
    })?;
    Ok(missing)
}

/// Removes the rules of the owner's container in its network. Where there are none, no program is run.
pub(crate) fn remove(owner: &Owner) -> Result<(), PortmapError> {
    let chains = [masquerade_chain(owner)];
    Family::ALL.into_iter().try_for_each(|family| iptables::remove(family, &chains))
}

/// Removes the rules of those containers of a network that are not alive.
pub(crate) fn collect(network: &str, is_alive: &dyn Fn(&str) -> bool) -> Result<(), PortmapError> {
    for family in Family::ALL {
        if !iptables::may_have(family, BASE) {
            continue;
        }
        let text = iptables::list(family)?;
        for container in Listing::read(&text).containers(BASE, &masquerade_comment(network, "")) {
            if !is_alive(&container) {
                let chain = masquerade_chain(&Owner::new(network, container, ""));
                iptables::remove(family, &[chain])?;
            }
        }
    }
    Ok(())
}

fn each_family(
    addresses: &[IpNet],
    mut work: impl FnMut(Family, &[IpNet]) -> Result<(), PortmapError>,
) -> Result<(), PortmapError> {
    for family in Family::ALL {
        let of_family: Vec<IpNet> =
            addresses.iter().copied().filter(|address| Family::of(*address) == family).collect();
        if !of_family.is_empty() {
            work(family, &of_family)?;
        }
    }
    Ok(())
}

/// The owner's rules, each as its chain and its words the way `iptables -S` lists them.
fn rules(owner: &Owner, addresses: &[IpNet]) -> Vec<(String, String)> {
    let chain = masquerade_chain(owner);
    let comment = escaped(&masquerade_comment(owner.network(), owner.container()));
    let comment = format!("-m comment --comment \"{comment}\"");
    let of_address = |address: &IpNet| {
        let multicast = if address.addr().is_ipv4() { "224.0.0.0/4" } else { "ff00::/8" };
        [
            (chain.clone(), format!("-d {} {comment} -j ACCEPT", address.trunc())),
            (chain.clone(), format!("! -d {multicast} {comment} -j MASQUERADE")),
            (BASE.to_owned(), format!("-s {} {comment} -j {chain}", IpNet::from(address.addr()))),
        ]
    };
    addresses.iter().flat_map(of_address).collect()
}

/// What makes the rules that are missing. A subnet's comes before the masquerading, which ends the chain.
fn addition(listing: &Listing<'_>, chain: &str, rules: &[(String, String)]) -> Option<Changes> {
    let mut changes = Changes::default();
    listing.ensure_chain(chain, &mut changes);
    let mut is_complete = listing.has_chain(chain);
    for (of, rule) in rules.iter().filter(|(of, rule)| !listing.has_rule(of, rule)) {
        let command = if rule.ends_with("ACCEPT") { "-I" } else { "-A" };
        let line = format!("{command} {of} {rule}");
        changes.line(&line);
        is_complete = false;
    }
    (!is_complete).then_some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner::new("n", "p2", "eth0")
    }

    fn addresses() -> [IpNet; 1] {
        ["10.1.0.3/24".parse().unwrap()]
    }

    /// What the reference plugin made, as `iptables -S` listed it.
    const LISTED: &str = r#"-P POSTROUTING ACCEPT
-N CNI-9e4908bd92c94bd4b92c2dab
-A POSTROUTING -s 10.1.0.3/32 -m comment --comment "name: \"n\" id: \"p2\"" -j CNI-9e4908bd92c94bd4b92c2dab
-A CNI-9e4908bd92c94bd4b92c2dab -d 10.1.0.0/24 -m comment --comment "name: \"n\" id: \"p2\"" -j ACCEPT
-A CNI-9e4908bd92c94bd4b92c2dab ! -d 224.0.0.0/4 -m comment --comment "name: \"n\" id: \"p2\"" -j MASQUERADE
"#;

    fn planned(listing: &str) -> Option<String> {
        addition(&Listing::read(listing), &masquerade_chain(&owner()), &rules(&owner(), &addresses()))
            .map(|changes| changes.text())
    }

    #[test]
    fn what_the_reference_made_is_complete() {
        assert_eq!(planned(LISTED), None);
        let listing = Listing::read(LISTED);
        assert_eq!(listing.containers(BASE, &masquerade_comment("n", "")), ["p2"]);
        assert!(listing.containers(BASE, &masquerade_comment("other", "")).is_empty());
    }

    #[test]
    fn a_fresh_container_gets_a_chain_and_its_rules_and_a_half_one_the_rest() {
        let whole = planned("").unwrap();
        for line in LISTED.lines().filter(|line| line.starts_with("-N")) {
            assert!(whole.contains(line), "{whole}");
        }
        assert_eq!(whole.lines().filter(|line| line.starts_with(['-'])).count(), 4, "{whole}");
        let cut: String = LISTED.split_inclusive('\n').take(3).collect();
        let rest = planned(&cut).unwrap();
        assert!(rest.contains("ACCEPT") && rest.contains("MASQUERADE"), "{rest}");
        assert!(!rest.contains("POSTROUTING") && !rest.contains("-N"), "{rest}");
    }
}
