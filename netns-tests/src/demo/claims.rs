//! What a reply has to be, and how it is shown in few lines.

use std::fmt::Write as _;

use podnet_netns_tests::ensure;
use podnet_netns_tests::failure::Failure;
use podnet_netns_tests::process::Finished;
use podnet_netns_tests::reply::Added;
use serde_json::Value;

/// The program's name and arguments, without the folder it lies in.
pub(crate) fn command_line(argv: &str) -> String {
    let (program, arguments) = argv.split_once(' ').unwrap_or((argv, ""));
    let name = program.rsplit('/').next().unwrap_or(program);
    format!("{name} {arguments}")
}

/// Why cnitool failed, clause by clause. It says so on standard error, in a line before its own usage.
/// Each of `wanted` has to be in it.
pub(crate) fn refusal(finished: &Finished, wanted: &[&str]) -> Result<Vec<String>, Failure> {
    ensure!(!finished.status.success(), "it was to fail: {finished}");
    let line = finished.stderr.lines().next().unwrap_or_default();
    for text in wanted {
        ensure!(line.contains(text), "the error was to name {text:?}: {finished}");
    }
    Ok(clauses(line))
}

/// A message without the runtime's words before it, one line a clause.
fn clauses(message: &str) -> Vec<String> {
    let message = message.strip_prefix("Error: ").unwrap_or(message);
    let (what, list) = match message.split_once(" made it: ") {
        Some((what, list)) => (Some(format!("{what} made it:")), list),
        None => (None, message),
    };
    what.into_iter().chain(list.split("; ").map(str::to_owned)).collect()
}

/// A result in few lines: what the pod has, and what the node has of it.
pub(crate) fn summary(added: &Added) -> Result<String, Failure> {
    let mut text = String::new();
    let interfaces = list(&added.0["interfaces"]).len();
    let (bridge, host, pod) = if interfaces == 3 { (Some(0), 1, 2) } else { (None, 0, 1) };
    let mut label = added.interface(pod)?;
    for address in list(&added.0["ips"]) {
        writeln!(
            text,
            "{label:<6}  {:<21}  gateway {}",
            string(&address["address"]),
            string(&address["gateway"])
        )?;
        label = "";
    }
    let routes: Vec<&str> = list(&added.0["routes"]).iter().map(|route| string(&route["dst"])).collect();
    writeln!(text, "routes  {}", routes.join(", "))?;
    let place = match bridge {
        Some(bridge) => format!("on bridge {}", added.interface(bridge)?),
        None => "with a route to each address".to_owned(),
    };
    writeln!(text, "node    {}, {place}", added.interface(host)?)?;
    Ok(text)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_has_no_folder_before_the_program_and_keeps_those_of_arguments() {
        assert_eq!(command_line("/opt/cni/cnitool add net /run/netns/a"), "cnitool add net /run/netns/a");
    }

    #[test]
    fn every_difference_is_a_clause_under_what_is_said_of_all() {
        let message =
            "Error: 2 things are not as ADD made it: mtu of eth0: wanted 1, found 2; link cbr0: gone";
        let wanted =
            ["2 things are not as ADD made it:", "mtu of eth0: wanted 1, found 2", "link cbr0: gone"];
        assert_eq!(clauses(message), wanted);
        assert_eq!(clauses("no such network"), ["no such network"]);
    }
}
