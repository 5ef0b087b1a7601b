//! What the daemon may do on the node: no more than it is asked for.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::{Ipamd, body_for, over_tcp};
use podnet_netns_tests::process::command;
use podnet_netns_tests::{ensure, ensure_eq, tools, wait};
use serde_json::Value;

use super::{STATIC, Test, folder};

pub(super) const TESTS: &[Test] =
    &[("privileges::it_needs_none", none), ("privileges::node_rules_need_one", node_rules_need_one)];

const NONE: &[&str] = &["--bounding-set", "-all", "--inh-caps", "-all"];
const NET_ADMIN: &[&str] = &[
    "--bounding-set",
    "-all,+net_admin",
    "--inh-caps",
    "-all,+net_admin",
    "--ambient-caps",
    "-all,+net_admin",
];

/// A daemon whose root is nobody but for the capabilities that the words leave it.
fn without_privilege(folder: &Path, capabilities: &[&str]) -> Result<Child, Failure> {
    let program = tools::ipamd()?.display().to_string();
    let config = folder.join("ipamd.yaml").display().to_string();
    let more = ["--no-new-privs", "--securebits", "+noroot", &program, "serve", "--config", &config];
    Ok(command("setpriv", capabilities.iter().chain(&more)).spawn()?)
}

/// Without it the rules are named as what is not there, and addresses are served.
fn node_rules_need_one() -> Outcome {
    let folder = folder()?;
    Ipamd::configure(
        &folder,
        &format!("listen: {{http: '127.0.0.1:10090'}}\n{STATIC}nodeRules: {{snat: [imds]}}\n"),
    )?;
    for (capabilities, expected) in [(NONE, false), (NET_ADMIN, true)] {
        let mut daemon = without_privilege(&folder, capabilities)?;
        let answer = wait::until(Duration::from_secs(10), "a status with node rules", || {
            let asked = over_tcp("127.0.0.1:10090", "localhost", "GET", "/debug/status", "");
            let status = asked.ok().map(|answer| answer.json()).transpose()?.unwrap_or_default();
            Ok(Some(status).filter(|status| !status["nodeRules"].is_null()))
        });
        daemon.kill()?;
        daemon.wait()?;
        let status = answer?;
        ensure_eq!(
            status["nodeRules"]["inForce"],
            expected,
            "rules in force with {capabilities:?}: {status}"
        );
        ensure_eq!(status["notReady"], Value::Null, "why addresses are not served");
        let error = status["nodeRules"]["error"].as_str().unwrap_or_default();
        ensure_eq!(error.contains("Operation not permitted"), !expected, "what is said: {error}");
    }
    Ok(())
}

fn none() -> Outcome {
    let folder = folder()?;
    Ipamd::configure(&folder, &format!("listen: {{http: '127.0.0.1:10090'}}\n{STATIC}"))?;
    let mut daemon = without_privilege(&folder, NONE)?;
    let answer = wait::until(Duration::from_secs(10), "it listens without a capability", || {
        let path = "/network/requestipconfigs";
        let asked = over_tcp("127.0.0.1:10090", "localhost", "POST", path, &body_for("a"));
        Ok(asked.ok().filter(|answer| answer.status == 200))
    });
    let caps = fs::read_to_string(format!("/proc/{}/status", daemon.id()))?;
    daemon.kill()?;
    daemon.wait()?;
    answer?.address()?;
    ensure!(caps.contains("CapEff:\t0000000000000000"), "{caps}");
    Ok(())
}
