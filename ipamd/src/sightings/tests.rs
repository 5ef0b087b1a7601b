use super::*;

const CONTAINER: &str = "c0ffee0123456789c0ffee0123456789";

fn record(kind: &str, socket: &str) -> String {
    format!(
        r#"{{"schema":1,"network":"n","containerID":"{CONTAINER}","ifname":"eth0","sandbox":"/x","pod":"ns/p",
            "config":{{"type":"podnet","ipam":{{"type":"{kind}"{socket}}}}},
            "reserved":{{"leases":[{{"address":"10.1.0.5/16","gateway":"10.1.0.1"}},{{"address":"fd00::5/64","gateway":"fd00::1"}}],
            "masqueraded":false}}}}"#
    )
}

#[test]
fn the_plugins_records_of_this_daemon_say_who_holds_what() {
    let folder = tempfile::tempdir().unwrap();
    let socket = Path::new("/run/podnet/ipamd.sock");
    for (name, content) in [
        ("ours", record("podnet-ipamd", "")),
        ("other", record("podnet-ipamd", r#","socket":"/run/other.sock""#)),
        ("local", record("host-local", "")),
        (
            "delegated",
            record("podnet-ipam", "").replace(CONTAINER, "beef").replace(".5", ".6").replace("::5", "::6"),
        ),
        ("half", record("podnet-ipamd", "")[..40].to_owned()),
        (
            "young",
            r#"{"containerID":"c","ifname":"eth0","config":{"ipam":{"type":"podnet-ipamd"}}}"#.to_owned(),
        ),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    std::os::unix::fs::symlink(folder.path().join("ours"), folder.path().join("link")).unwrap();
    let mut records = from_records(folder.path(), socket);
    records.sort_by_key(|record| record.key.container().to_owned());
    let [delegated, young, ours] = &records[..] else { panic!("{records:?}") };
    assert_eq!(delegated.key.container(), "beef");
    assert_eq!((young.key.container(), &young.holder, young.has_sandbox), ("c", &None, false));
    assert!(ours.age < Duration::from_mins(1) && !ours.has_sandbox);
    let holder = ours.holder.as_ref().unwrap();
    let addresses: Vec<String> = holder.addresses.iter().map(|address| address.to_string()).collect();
    assert_eq!(addresses, ["10.1.0.5", "fd00::5"]);
    let identity = holder.attachment.identity();
    assert_eq!((identity.namespace, identity.pod, identity.interface), ("ns", "p", "eth0"));
    assert_eq!(identity.pod_interface_id, "c0ffee01-eth0");
    assert!(from_records(&folder.path().join("nowhere"), socket).is_empty());
}

#[test]
fn a_namespace_that_is_named_by_a_process_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = folder.path().join("netns");
    let seen = || {
        let record = record("podnet-ipamd", "").replace("/x", &sandbox.display().to_string());
        fs::write(folder.path().join("record"), record).unwrap();
        from_records(folder.path(), Path::new(USUAL_SOCKET)).iter().any(|record| record.has_sandbox)
    };
    assert!(!seen());
    fs::write(&sandbox, "").unwrap();
    assert!(seen());
    let process = record("podnet-ipamd", "").replace("/x", "/proc/self/ns/net");
    fs::write(folder.path().join("record"), process).unwrap();
    assert!(!from_records(folder.path(), Path::new(USUAL_SOCKET))[0].has_sandbox);
}

#[test]
fn host_routes_over_our_links_say_who_holds_what() {
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("proc/net");
    fs::create_dir_all(&net).unwrap();
    let [number, other] = [7, 8].map(|last| u32::from_ne_bytes([10, 1, 0, last]));
    fs::write(
        net.join("route"),
        format!(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
             azv1\t{number:08X}\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n\
             eth0\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
             azv2\t{other:08X}\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
        ),
    )
    .unwrap();
    let zero = "0".repeat(32);
    let row = |address: &str, link: &str| {
        format!("{address} 80 {zero} 00 {zero} 00000400 00000001 00000000 00000001     {link}\n")
    };
    let lines =
        row("fd000000000000000000000000000007", "azv1") + &row("fe800000000000000000000000000001", "azv1");
    fs::write(net.join("ipv6_route"), lines).unwrap();
    for (link, alias) in [("azv1", format!("{CONTAINER} n c1 eth0\n")), ("azv2", "somebody's\n".to_owned())] {
        let directory = folder.path().join("sys/class/net").join(link);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("ifalias"), alias).unwrap();
    }
    let seen = Sightings::look(folder.path(), Path::new(USUAL_SOCKET));
    let [link] = &seen.links[..] else { panic!("{:?}", seen.links) };
    assert_eq!((link.name.as_str(), link.key.container()), ("azv1", "c1"));
    let [holder] = &seen.holders().collect::<Vec<_>>()[..] else { panic!("{seen:?}") };
    let addresses: Vec<String> = holder.addresses.iter().map(|address| address.to_string()).collect();
    assert_eq!(addresses, ["10.1.0.7", "fd00::7"]);
    assert_eq!(seen.routes.len(), 3, "somebody else's too: {:?}", seen.routes);
}
