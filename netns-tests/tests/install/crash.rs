//! Killed at every system call: the next call finishes what was begun.

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::tracer::{self, End};
use podnet_netns_tests::{ensure, tools};

use super::Test;
use super::node::{Node, SOURCE, Tree, differences};

pub(super) const TESTS: &[Test] = &[
    ("killed_at_every_system_call_an_installation_is_finished_by_the_next", install_killed),
    ("killed_at_every_system_call_a_removal_is_finished_by_the_next", uninstall_killed),
];

/// More findings than these say nothing new.
const SHOWN: usize = 5;

/// Everything that an installation can bring.
fn words() -> Vec<String> {
    let list = tools::workspace().join("conf/kubenet.conflist").display().to_string();
    ["--links", "bridge,ptp", "--set", SOURCE, "--conflist", &list, "--skip-doctor"].map(str::to_owned).into()
}

fn install_killed() -> Outcome {
    every_kill("install", |_, _| Ok(()))
}

fn uninstall_killed() -> Outcome {
    every_kill("uninstall", |node, words| {
        node.call("install", words)?.success()?;
        Ok(())
    })
}

/// Kills `verb` at its first system call, then at its second, until it ends before the kill. After each kill the verb, and then a
/// whole round, have to come out as on a node where nothing was killed.
fn every_kill(verb: &str, prepare: fn(&Node, &[&str]) -> Outcome) -> Outcome {
    let node = Node::new()?;
    // A small one, since it is read and written thousands of times.
    node.write_podnet("from/podnet", "1.2.3")?;
    let words = words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let before = node.tree()?;
    node.call("install", &words)?.success()?;
    let installed = node.tree()?;
    node.uninstall()?;
    let mut findings = Vec::new();
    for at in 1.. {
        prepare(&node, &words)?;
        let of_verb: &[&str] = if verb == "install" { &words } else { &[] };
        let end = tracer::kill_at(node.command(verb, of_verb)?, b"", at)?;
        if let Err(Failure::Failed(finding)) = finished(&node, verb, of_verb, [&before, &installed]) {
            findings.push(format!("{verb}, {end:?}, the {at}th: {finding}"));
        }
        if matches!(end, End::Finished { .. }) || findings.len() == SHOWN {
            break;
        }
    }
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

fn finished(node: &Node, verb: &str, words: &[&str], [before, installed]: [&Tree; 2]) -> Outcome {
    node.call(verb, words)?.success()?;
    if verb == "install" {
        same(installed, node, "installed")?;
        node.uninstall()?;
    }
    same(before, node, "removed")
}

fn same(expected: &Tree, node: &Node, when: &str) -> Outcome {
    let differences = differences(expected, &node.tree()?);
    let same = if differences.is_empty() { Ok(()) } else { Err(Failure::failed(differences.join("\n"))) };
    same.doing(when)
}
