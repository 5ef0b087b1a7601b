use podnet_datapath::Owner;

use super::*;
use crate::bandwidth::Bandwidth;
use crate::guard::Guarded;
use crate::host_ports::PortMappings;
use crate::record::{Lease, Reserved, SCHEMA};

fn record() -> Record {
    let config = serde_json::json!({"name": "net", "PrevResult": {"ips": []}});
    Record::new(&Owner::new("net", "c1", "eth0"), "/run/netns/x", None, &config)
}

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::create_at(&dir.path().join("run/attachments")).unwrap();
    (dir, registry)
}

fn id(container: &str) -> OwnerId {
    Owner::new("net", container, "eth0").id()
}

#[test]
fn a_record_is_claimed_once() {
    let (_dir, registry) = registry();
    let entry = registry.claim(id("c1"), &record()).unwrap();
    assert!(
        matches!(registry.claim(id("c1"), &record()), Err(RecordError::Exists(found)) if found == id("c1"))
    );
    entry.remove().unwrap();
    registry.claim(id("c1"), &record()).unwrap();
}

#[test]
fn replacing_keeps_the_lock_and_changes_the_content() {
    let (_dir, registry) = registry();
    let mut entry = registry.claim(id("c1"), &record()).unwrap();
    let reserved = Reserved {
        data_dir: Some("/var/lib/cni".into()),
        routes: Vec::new(),
        routes_are_all: false,
        leases: vec![Lease {
            address: "10.0.0.5/24".parse().unwrap(),
            gateway: Some("10.0.0.1".parse().unwrap()),
        }],
        masqueraded: false,
        routed: false,
        on_network: None,
        unfiltered: Vec::new(),
        host_ports: PortMappings::default(),
        guarded: Guarded::default(),
        bandwidth: Bandwidth::default(),
    };
    let new = record().holding(reserved);
    entry.replace(new.clone()).unwrap();
    assert_eq!(registry.read(id("c1")).unwrap(), Some(new.clone()));
    assert!(matches!(registry.try_lock(id("c1")), Err(RecordError::Busy(_))), "the lock was lost");
    drop(entry);
    assert_eq!(registry.try_lock(id("c1")).unwrap().unwrap().record(), Some(&new));
}

#[test]
fn a_deleter_that_waited_sees_the_replacement() {
    let (_dir, registry) = registry();
    let mut entry = registry.claim(id("c1"), &record()).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| registry.lock(id("c1")).unwrap().unwrap().record().cloned());
        entry.replace(Record { sandbox: "/run/netns/new".into(), ..record() }).unwrap();
        drop(entry);
        assert_eq!(waiter.join().unwrap().unwrap().sandbox, "/run/netns/new");
    });
}

#[test]
fn damage_and_newer_schemas_leave_a_record_without_content() {
    let (_dir, registry) = registry();
    registry.claim(id("c1"), &Record { schema: SCHEMA + 1, ..record() }).unwrap();
    assert_eq!(registry.lock(id("c1")).unwrap().unwrap().record(), None);
    std::fs::write(registry.path.join(id("c1").to_string()), "{\"schema\":1,").unwrap();
    let entry = registry.lock(id("c1")).unwrap().unwrap();
    assert_eq!(entry.record(), None);
    entry.remove().unwrap();
    assert!(registry.ids().unwrap().is_empty());
}

#[test]
fn a_directory_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, registry) = registry();
    std::fs::set_permissions(&registry.path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Registry::open_at(&registry.path), Err(RecordError::NotPrivate { mode: 0o755, .. })));
}

#[test]
fn the_configuration_is_kept_without_prev_result() {
    assert_eq!(record().config, serde_json::json!({"name": "net"}));
}

#[test]
fn only_owner_ids_are_listed() {
    let (_dir, registry) = registry();
    drop(registry.claim(id("c1"), &record()).unwrap());
    std::fs::write(registry.path.join("README"), "x").unwrap();
    assert_eq!(registry.ids().unwrap(), [id("c1")]);
}

#[test]
fn one_process_at_a_time_has_its_turn() {
    let (_dir, registry) = registry();
    let turn = registry.turn().unwrap();
    assert!(turn.is_some());
    assert!(registry.turn().unwrap().is_none());
    drop(turn);
    assert!(registry.turn().unwrap().is_some());
    // An attachment's own lock is another.
    let _turn = registry.turn().unwrap();
    registry.claim(id("c1"), &record()).unwrap();
}
