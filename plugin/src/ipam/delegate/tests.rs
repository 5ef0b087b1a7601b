use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use podnet_cni::{ErrorObject, NetworkName, Version};
use serde_json::json;

use super::*;

/// A folder of plugins, with one that writes down each verb it is called with, and what it is to do for ADD.
struct Folder(tempfile::TempDir);

const GOOD: &str =
    r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.5/24"}],"routes":[{"dst":"0.0.0.0/0"}]}'"#;

impl Folder {
    fn new(add: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let script = format!(
            "#!/bin/sh\nexec 2>>'{stderr}'\necho $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME >>'{calls}'\ncat >'{stdin}'\n\
             case $CNI_COMMAND in ADD) {add};; esac\n",
            stderr = folder.path("stderr").display(),
            calls = folder.path("calls").display(),
            stdin = folder.path("stdin").display(),
        );
        fs::write(folder.path("fake"), script).unwrap();
        fs::set_permissions(folder.path("fake"), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn plugin(&self, limit: Duration) -> Delegate {
        let network = network(vec![Path::new("/nonexistent").to_owned(), self.0.path().to_owned()]);
        let delegate = Delegate::named("fake", &network.config, network.text.clone(), &network).unwrap();
        Delegate { limit, ..delegate }
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

fn network(plugin_dirs: Vec<PathBuf>) -> Network {
    let text =
        br#"{ "name":"net",  "type":"podnet", "ipam":{"type":"fake","own":[1.0]}, "cniVersion":"1.1.0" }"#;
    Network {
        name: NetworkName::new("net").unwrap(),
        version: Version::LATEST,
        config: serde_json::from_slice(text).unwrap(),
        text: text.to_vec(),
        plugin_dirs,
    }
}

fn owner() -> Owner {
    Owner::new("net", "c1", "eth0")
}

#[test]
fn the_plugin_gets_our_bytes_and_its_answer_is_the_grant() {
    let folder = Folder::new(GOOD);
    let grant = folder.plugin(LIMIT).add(&owner()).unwrap();
    assert_eq!(grant.leases[0].address.to_string(), "10.9.0.5/24");
    assert_eq!(grant.leases[0].gateway.unwrap().to_string(), "10.9.0.1");
    assert_eq!(grant.routes.len(), 1);
    assert_eq!(fs::read(folder.path("stdin")).unwrap(), network(Vec::new()).text);
    assert_eq!(folder.calls(), ["ADD c1 eth0"]);
}

#[test]
fn every_fault_is_named_and_followed_by_del() {
    let result = |members: &str| format!(r#"echo '{{"cniVersion":"1.0.0",{members}}}'"#);
    for (add, code, words) in [
        ("exit 0".to_owned(), 107, "did not answer with a result|it printed nothing"),
        ("echo oops; exit 0".to_owned(), 107, "it printed \"oops\"|expected value"),
        (format!("{GOOD}; echo {{}}"), 107, "trailing characters"),
        (r#"echo '{"cniVersion":"9.9.9"}'"#.to_owned(), 107, "\"9.9.9\" is no supported version"),
        (result(r#""ips":[]"#), 107, "no address was given"),
        (result(r#""ips":[{}]"#), 107, "ips[0]"),
        (result(r#""ips":[{"address":"10.9.0.5"}]"#), 107, "ips[0].address|10.9.0.5"),
        (
            result(r#""ips":[{"address":"10.9.0.5/24","gateway":"10.8.0.1"}]"#),
            107,
            "gateway 10.8.0.1 is not in",
        ),
        (
            r#"echo '{"code":11,"msg":"pool is empty","details":"wait"}'; exit 1"#.to_owned(),
            11,
            "in ADD: pool is empty|wait",
        ),
        (
            r#"echo '{"Code":103,"Msg":"taken"}'; exit 1"#.to_owned(),
            103,
            "IPAM plugin fake failed in ADD: taken",
        ),
        ("echo broken >&2; echo half; exit 3".to_owned(), 107, "exit status: 3; stdout: half"),
        ("kill -SEGV $$".to_owned(), 107, "signal: 11"),
        ("yes".to_owned(), 107, "more than 1048576 bytes"),
    ] {
        let folder = Folder::new(&add);
        let object = ErrorObject::from(Error::from(folder.plugin(LIMIT).add(&owner()).unwrap_err()));
        let text = format!("{}; {}", object.msg, object.details);
        assert_eq!(object.code, code, "{add}: {text}");
        for words in words.split('|').chain(["fake"]) {
            assert!(text.contains(words), "{add}: {words} is not in {text}");
        }
        assert_eq!(folder.calls(), ["ADD c1 eth0", "DEL c1 eth0"], "{add}");
    }
}

#[test]
fn who_hangs_is_ended() {
    let folder = Folder::new("sleep 1000");
    let error = folder.plugin(Duration::from_secs(2)).add(&owner()).unwrap_err();
    assert!(chain(&error).contains("did not end in"), "{}", chain(&error));
    assert_eq!(folder.calls(), ["ADD c1 eth0", "DEL c1 eth0"]);
}

#[test]
fn stderr_of_who_fails_without_a_word_is_in_the_error() {
    let folder = Folder::new("exit 1");
    fs::write(folder.path("fake"), "#!/bin/sh\necho no such lease >&2; exit 1\n").unwrap();
    let error = folder.plugin(LIMIT).add(&owner()).unwrap_err().to_string();
    assert!(error.contains("stderr: no such lease"), "{error}");
}

#[test]
fn a_missing_or_unfit_file_is_named_with_the_folders() {
    let nowhere = network(vec!["/nonexistent/a".into(), "/nonexistent/b".into()]);
    let error = Delegate::named("fake", &nowhere.config, Vec::new(), &nowhere).unwrap().locate().unwrap_err();
    assert_eq!(error.to_string(), "failed to find plugin \"fake\" in path [/nonexistent/a /nonexistent/b]");

    let folder = Folder::new(GOOD);
    fs::set_permissions(folder.path("fake"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = folder.plugin(LIMIT).add(&owner()).unwrap_err();
    assert!(chain(&error).contains("fake: Permission denied"), "{}", chain(&error));

    let error = Delegate::named("../fake", &json!({}), Vec::new(), &nowhere).unwrap_err();
    assert!(error.to_string().starts_with("ipam.type: \"../fake\""), "{error}");
}

#[test]
fn the_time_limit_is_the_configurations() {
    let network = network(Vec::new());
    let limit = |config: Value| Delegate::named("fake", &config, Vec::new(), &network).unwrap().limit;
    assert_eq!(limit(json!({"IPAMTimeout": 5})), Duration::from_secs(5));
    assert_eq!(limit(json!({"ipamTimeout": 0})), LIMIT);
    assert_eq!(limit(json!({"ipamTimeout": "x"})), LIMIT);
}

#[test]
fn check_tells_the_plugins_words_as_a_difference() {
    let folder = Folder::new("");
    fs::write(folder.path("fake"), "#!/bin/sh\necho '{\"code\":100,\"msg\":\"lease is gone\"}'; exit 1\n")
        .unwrap();
    assert_eq!(
        folder.plugin(LIMIT).check(&owner(), "/run/netns/x").unwrap(),
        ["IPAM plugin fake failed in CHECK: lease is gone"]
    );
}
