use crate::testing::{Recorded, by_ipam, ip, key, request, secs};
use crate::{Attachment, Family, Identity, Key, Refused, Released, Request, Settings, State};

fn single() -> Recorded {
    Recorded::new(Settings::default(), &["10.0.0.0/30"])
}

#[test]
fn the_same_attachment_keeps_its_address_and_another_gets_another() {
    let mut node = single();
    let first = node.assign("a", secs(1)).unwrap();
    let again = node.pool.assign(request("a", secs(2)), secs(2), &mut node.events).unwrap();
    assert!(again.existing);
    assert_eq!(again.grants.iter().map(|grant| grant.address).collect::<Vec<_>>(), first);
    assert_ne!(node.assign("b", secs(3)).unwrap(), first);
}

#[test]
fn two_interfaces_of_a_container_are_two_attachments() {
    let mut node = single();
    let mut assign = |interface| {
        let attachment = Attachment::new(&by_ipam("a", interface)).unwrap();
        let request = Request { attachment, desired: Vec::new(), asked: secs(1) };
        node.pool.assign(request, secs(1), &mut node.events).unwrap().grants[0].address
    };
    assert_ne!(assign("eth0"), assign("eth1"));
    // The key that names neither could mean either.
    let vague = Key::new(&by_ipam("a", "")).unwrap();
    let outcome = node.pool.release(&vague, secs(2), &mut node.events);
    assert_eq!(outcome, Released::Ambiguous { attachments: 2 });
    assert_eq!(node.pool.counts(Family::V4).assigned, 2);
}

#[test]
fn dual_stack_is_all_or_nothing() {
    let mut node = Recorded::new(Settings::default(), &["10.0.0.0/30", "fd00::/127"]);
    for container in ["a", "b"] {
        let addresses = node.assign(container, secs(1)).unwrap();
        assert_eq!(addresses.iter().map(|address| Family::of(*address)).collect::<Vec<_>>(), Family::ALL);
    }
    let before = node.pool.clone();
    let refused = node.assign("c", secs(1)).unwrap_err();
    assert!(matches!(refused, Refused::Exhausted { family: Family::V6, growing: false, .. }), "{refused:?}");
    assert_eq!(node.pool.counts(Family::V4), before.counts(Family::V4));
    assert_eq!(node.pool.holder(&key("c")), None);
}

#[test]
fn the_longest_unused_address_comes_first_and_a_cooling_one_only_if_there_is_no_other() {
    let mut node = single();
    let assign = |node: &mut Recorded, container: &str, now| node.assign(container, secs(now)).unwrap()[0];
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|container| assign(&mut node, container, 1));
    for (container, now) in [("c", 10), ("a", 20), ("b", 35)] {
        node.release(container, secs(now));
    }
    // c has cooled down by now, a and b have not.
    assert_eq!(assign(&mut node, "e", 40), c);
    assert_eq!(node.pool.cool_downs_skipped(), 0);
    assert_eq!(node.pool.get(a).unwrap().state(), State::CoolingDown);
    assert_eq!(assign(&mut node, "f", 40), a);
    assert_eq!(node.pool.cool_downs_skipped(), 1);
    assert_eq!(assign(&mut node, "g", 65), b);
    assert_eq!(node.pool.cool_downs_skipped(), 1);
    let refused = node.assign("h", secs(65)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no free IPv4 address among 4: 4 assigned, 0 cooling down, 0 being programmed, 0 being given back; the pool does not grow"
    );
    assert_eq!(node.pool.get(d).unwrap().state(), State::Assigned);
}

#[test]
fn a_release_in_either_clients_spelling_finds_the_attachment() {
    let id = "0123456789abcdef";
    let spelling =
        |pod_interface_id, interface| Identity { pod_interface_id, interface, ..by_ipam(id, interface) };
    let stateful = spelling("01234567-eth0", "");
    let stateless = spelling(id, "");
    let ipam = spelling(id, "eth0");
    let whole = spelling("0123456789abcdef-eth0", "");
    for added in [stateful, stateless, ipam, whole] {
        for deleted in [stateful, stateless, ipam, whole] {
            let mut node = single();
            let attachment = Attachment::new(&added).unwrap();
            let request = Request { attachment, desired: Vec::new(), asked: secs(1) };
            node.pool.assign(request, secs(1), &mut node.events).unwrap();
            let released = node.pool.release(&Key::new(&deleted).unwrap(), secs(2), &mut node.events);
            assert!(matches!(released, Released::Freed(_)), "{added:?} {deleted:?} {released:?}");
        }
    }
}

#[test]
fn a_release_never_frees_what_another_attachment_holds() {
    let mut node = single();
    node.assign("0123456789-a", secs(1)).unwrap();
    // Another sandbox whose short ID is the same, as the next one of the same pod may have.
    let other = Identity { pod_interface_id: "01234567-eth0", ..by_ipam("0123456789-b", "") };
    let interface = Key::new(&by_ipam("0123456789-a", "eth1")).unwrap();
    for key in [Key::new(&other).unwrap(), interface] {
        assert_eq!(node.pool.release(&key, secs(2), &mut node.events), Released::Unknown);
    }
    assert_eq!(node.pool.counts(Family::V4).assigned, 1);
}

#[test]
fn an_add_asked_for_before_its_del_is_refused_and_one_asked_for_after_it_is_served() {
    let mut node = single();
    node.release("a", secs(10));
    let late = node.pool.assign(request("a", secs(9)), secs(11), &mut node.events).unwrap_err();
    assert_eq!(late, Refused::Deleted { key: key("a") });
    assert!(!late.may_pass());
    assert!(node.pool.assign(request("a", secs(11)), secs(11), &mut node.events).is_ok());
}

#[test]
fn desired_addresses_are_given_or_refused_with_the_reason() {
    let mut node = Recorded::new(Settings::default(), &["10.0.0.0/30", "fd00::/127"]);
    let desiring = |node: &mut Recorded, container, desired: &[&str]| {
        let desired = desired.iter().map(|address| ip(address)).collect();
        let request = Request { desired, ..request(container, secs(1)) };
        let assigned = node.pool.assign(request, secs(1), &mut node.events)?;
        Ok(assigned.grants.into_iter().map(|grant| grant.address.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(desiring(&mut node, "a", &["10.0.0.2"]), Ok(vec!["10.0.0.2".into(), "fd00::".into()]));
    assert_eq!(
        desiring(&mut node, "b", &["fd00::1", "10.0.0.3"]),
        Ok(vec!["10.0.0.3".into(), "fd00::1".into()])
    );
    let reason = |refused: Result<_, Refused>| refused.unwrap_err().to_string();
    assert_eq!(reason(desiring(&mut node, "c", &["10.0.0.9"])), "10.0.0.9 is not an address of this pool");
    assert_eq!(
        reason(desiring(&mut node, "c", &["10.0.0.2"])),
        "10.0.0.2 cannot be assigned: it is Assigned to a eth0"
    );
    assert_eq!(
        reason(desiring(&mut node, "c", &["10.0.0.0", "10.0.0.1"])),
        "10.0.0.1 is the second desired address of its family"
    );
    // Who holds addresses keeps them.
    assert_eq!(desiring(&mut node, "a", &["10.0.0.1"]), Ok(vec!["10.0.0.2".into(), "fd00::".into()]));
}
