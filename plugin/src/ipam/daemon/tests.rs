//! Against a daemon that is away: what the daemon does when it is there is seen through the real one.

use std::fs;

use podnet_cni::json::decode;
use serde_json::json;

use super::*;
use crate::netconf::ConfigError;

fn read(kind: Kind, config: &Value) -> Result<Daemon, Error> {
    let conf: NetConf = decode(config).unwrap();
    let args = Args::parse("K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=shop").unwrap();
    Daemon::read(kind, &decode(&config["ipam"]).unwrap(), &conf, Style::Interface, &args)
}

fn owner() -> Owner {
    Owner::new("net", "0123456789abcdef", "eth0")
}

/// A daemon whose socket is not there.
fn absent(dir: &tempfile::TempDir) -> Daemon {
    let socket = dir.path().join("ipamd.sock");
    read(Kind::Ipamd, &json!({"ipam": {"socket": socket}})).unwrap()
}

#[test]
fn the_defaults_are_the_agreed_ones() {
    let daemon = read(Kind::Ipamd, &json!({"ipam": {}})).unwrap();
    assert_eq!(daemon.server.to_string(), "/run/podnet/ipamd.sock");
    assert_eq!(daemon.intents.to_str(), Some("/run/podnet/ipamd.sock.d"));
    assert!(daemon.limit + PATIENCE < Duration::from_millis(1500) && daemon.limit < Duration::from_secs(1));
    let cns = read(Kind::Cns, &json!({"ipam": {}})).unwrap();
    assert_eq!(cns.server.to_string(), "http://localhost:10090");
    assert_eq!((cns.form, cns.intents.to_str()), (Form::Cns, Some("/var/run/azure-vnet/deleteIDs")));
    assert_eq!((cns.limit, cns.release_limit), (daemon.limit, Duration::from_secs(15)));
}

#[test]
fn the_members_are_read() {
    let ipam = json!({"Socket": "/run/x.sock", "Intents": "/run/x/intents"});
    let daemon = read(Kind::Ipamd, &json!({"ipam": ipam, "ipamTimeout": 7})).unwrap();
    assert_eq!((daemon.server.to_string().as_str(), daemon.limit), ("/run/x.sock", Duration::from_secs(7)));
    assert_eq!(daemon.intents.to_str(), Some("/run/x/intents"));
    assert_eq!(daemon.release_limit, daemon.limit);
    let cns = |config: Value| read(Kind::Cns, &config).unwrap().server.to_string();
    assert_eq!(cns(json!({"cnsurl": "http://10.0.0.4:10090", "ipam": {}})), "http://10.0.0.4:10090");
    assert_eq!(cns(json!({"cnsurl": "http://a:1", "ipam": {"url": "http://b:2"}})), "http://b:2");
}

#[test]
fn wrong_members_are_named() {
    for (kind, config, path) in [
        (Kind::Ipamd, json!({"ipam": {"socket": "ipamd.sock"}}), "ipam.socket"),
        (Kind::Ipamd, json!({"ipam": {"intents": "intents"}}), "ipam.intents"),
        (Kind::Cns, json!({"ipam": {"url": "localhost:10090"}}), "ipam.url"),
        (Kind::Cns, json!({"cnsURL": "https://localhost", "ipam": {}}), "cnsurl"),
    ] {
        match read(kind, &config) {
            Err(Error::Config(ConfigError::Invalid { member, .. })) => assert_eq!(member, path),
            other => panic!("{config}: {other:?}"),
        }
    }
}

#[test]
fn attachments_are_named_as_azures_plugins_do() {
    let daemon = read(Kind::Ipamd, &json!({"ipam": {}})).unwrap();
    let asked = serde_json::to_value(daemon.question(&owner())).unwrap();
    assert_eq!(asked["podInterfaceID"], "01234567-eth0");
    assert_eq!(asked["infraContainerID"], "0123456789abcdef");
    assert_eq!(asked["orchestratorContext"], json!({"podName": "web-0", "podNamespace": "shop"}));
    let unnamed = Daemon { style: Style::Container, pod: None, ..daemon };
    let asked = serde_json::to_value(unnamed.question(&owner())).unwrap();
    assert_eq!((&asked["podInterfaceID"], &asked["ifname"]), (&json!("0123456789abcdef"), &json!("eth0")));
    assert_eq!(asked["orchestratorContext"]["podName"], "0123456789abcdef");
    let short = unnamed.question(&Owner::new("net", "c1", "eth0"));
    assert_eq!((short.pod_interface_id.as_str(), short.infra_container_id.as_str()), ("c1", "c1"));
}

#[test]
fn del_leaves_an_intent_which_a_failed_add_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = absent(&dir);
    daemon.release(&owner()).unwrap();
    let path = dir.path().join("ipamd.sock.d").join(owner().id().to_string());
    let left: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(left["infraContainerID"], "0123456789abcdef");
    let error = daemon.ask(&owner()).unwrap_err();
    assert!(matches!(&error, DaemonError::Client(ClientError::Connect { .. })), "{error:?}");
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap(), left);
    assert!(daemon.withdraw(&owner()).unwrap() && !daemon.withdraw(&owner()).unwrap());
}

/// A CNS that takes the connection and says nothing.
#[test]
fn an_add_has_one_limit_for_all_that_it_asks() {
    const LIMIT: Duration = Duration::from_millis(200);
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let cns = read(Kind::Cns, &json!({"ipam": {"url": url, "intents": dir.path()}})).unwrap();
    let cns = Daemon { limit: LIMIT, ..cns };
    let begin = Instant::now();
    let error = cns.ask(&owner()).and_then(|asked| cns.offered(&owner(), asked)).unwrap_err();
    assert!(begin.elapsed() < cns.release_limit, "it waited for the release, too: {:?}", begin.elapsed());
    let object = podnet_cni::ErrorObject::from(Error::from(error));
    assert_eq!(object.code, crate::error::code::TRY_AGAIN_LATER, "{object:?}");
    let left = fs::read_to_string(dir.path().join(owner().container())).unwrap();
    assert_eq!(left, "01234567-eth0", "what it may have done is to be undone");
}

#[test]
fn an_absent_daemon_is_try_again_and_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = absent(&dir);
    let object = podnet_cni::ErrorObject::from(Error::from(daemon.ask(&owner()).unwrap_err()));
    assert_eq!(object.code, crate::error::code::TRY_AGAIN_LATER, "{object:?}");
    assert!(object.msg.contains("ipamd.sock") && object.details.contains("No such file"), "{object:?}");
    let status = Error::NotReady(Box::new(daemon.probe().unwrap_err().into()));
    assert_eq!(podnet_cni::ErrorObject::from(status).code, crate::error::code::PLUGIN_NOT_AVAILABLE);
}

#[test]
fn a_del_that_can_neither_release_nor_leave_an_intent_fails() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ipamd.sock.d"), "").unwrap();
    let error = absent(&dir).release(&owner()).unwrap_err();
    assert!(matches!(error, DaemonError::Intent(_)), "{error:?}");
}
