//! A request that is good in everything but its sandbox, for tests to spoil.

use std::sync::LazyLock;

use podnet_tests::{CniError, Failure, Program, Reply, Run};
use serde_json::{Value, json};

/// No file is there.
pub(crate) const SANDBOX: &str = "/nonexistent/netns";

/// The variables of an attachment.
pub(crate) const ATTACHMENT: &[(&str, &str)] = &[
    ("CNI_CONTAINERID", "c1"),
    ("CNI_NETNS", SANDBOX),
    ("CNI_IFNAME", "pod0"),
    ("CNI_PATH", "/nonexistent/bin"),
];

pub(crate) fn podnet() -> &'static Program {
    static PODNET: LazyLock<Result<Program, Failure>> = LazyLock::new(Program::podnet);
    PODNET.as_ref().unwrap_or_else(|missing| panic!("{missing}"))
}

/// podnet, called with this command for the attachment and the configuration.
pub(crate) fn call(command: &str) -> Run<'static> {
    Run::of(podnet()).vars(ATTACHMENT).var("CNI_COMMAND", command).config(&config())
}

/// A configuration that ADD, CHECK and STATUS find good. The reference bridge takes it too.
pub(crate) fn config() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": "net",
        "type": "podnet",
        "mode": "kubenet",
        "bridge": "podnet-none",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]]},
    })
}

/// The configuration with one member set, which is made where it is missing.
///
/// # Arguments
/// `path`: the names of the objects' members, outermost first, with dots between them.
pub(crate) fn config_with(path: &str, value: Value) -> Value {
    let mut config = config();
    let mut place = &mut config;
    for name in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = value;
    config
}

/// Whether a request passed every check: only its sandbox was not found.
pub(crate) fn passed(error: &CniError) -> bool {
    error.code == 8 && error.msg.contains(SANDBOX)
}

/// Makes sure that a request passed every check.
#[track_caller]
pub(crate) fn assert_passed(reply: &Reply) {
    let error = reply.error().unwrap();
    assert!(passed(&error), "{reply}");
}

/// Makes sure that a request was refused with this code by an error that names all of this.
#[track_caller]
pub(crate) fn assert_refused(reply: &Reply, code: u32, names: &[&str]) {
    let error = reply.error().unwrap();
    assert!(error.code == code && names.iter().all(|name| error.names(name)), "{code} {names:?}: {reply}");
}
