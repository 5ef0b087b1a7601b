//! The plugin as a program: the one place where the daemon's binary runs another.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::error::{InstallError, file};
use super::folders::Folders;

/// Where the plugin looks for the programs that it runs itself.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which version a podnet is.
pub(super) fn version(podnet: &Path) -> Result<String, InstallError> {
    let arguments = ["version", "--output", "json"];
    let output = run(podnet, &arguments)?;
    let document: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    let version = document.as_ref().and_then(|document| document.get("version")).and_then(Value::as_str);
    version.map(ToOwned::to_owned).ok_or_else(|| refused(podnet, &arguments, &output))
}

/// Whether a version is older than another; what has no number is not.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    fn numbers(version: &str) -> Option<Vec<u64>> {
        version.split('-').next()?.split('.').map(|number| number.parse().ok()).collect()
    }
    numbers(version).zip(numbers(than)).is_some_and(|(version, than)| version < than)
}

/// Refuses a network configuration that podnet, or a runtime, would refuse.
pub(super) fn check_conflist(podnet: &Path, conflist: &Path) -> Result<(), InstallError> {
    let arguments = ["conf", &conflist.to_string_lossy()];
    let output = run(podnet, &arguments)?;
    if output.status.success() { Ok(()) } else { Err(refused(podnet, &arguments, &output)) }
}

/// The pods that podnet has on this node, each by its name, or by its container.
pub(super) fn pods(podnet: &Path) -> Result<Vec<String>, InstallError> {
    let arguments = ["list", "--output", "json"];
    let output = run(podnet, &arguments)?;
    let rows: Option<Vec<Value>> = serde_json::from_slice(&output.stdout).ok();
    let rows = rows.ok_or_else(|| refused(podnet, &arguments, &output))?;
    let name = |row: &Value| {
        let name = row.get("pod").or_else(|| row.get("containerID")).and_then(Value::as_str);
        name.unwrap_or_default().to_owned()
    };
    Ok(rows.iter().map(name).collect())
}

/// What the doctor says of the node, and whether all is well.
pub(super) fn doctor(folders: &Folders) -> Result<(String, bool), InstallError> {
    let (conf, bin) = (folders.conf.to_string_lossy(), folders.bin.to_string_lossy());
    let arguments = ["doctor", "--conf-dir", &conf, "--bin-dir", &bin];
    let output = run(&folders.bin.join("podnet"), &arguments)?;
    let said = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&said).into_owned(), output.status.success()))
}

fn run(program: &Path, arguments: &[&str]) -> Result<Output, InstallError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is installed must run here, and checks the node by itself"
    )]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).stdin(Stdio::null());
    command.output().map_err(file("run", program))
}

fn refused(program: &Path, arguments: &[&str], output: &Output) -> InstallError {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let says = if said.is_empty() { output.status.to_string() } else { said };
    InstallError::Plugin { program: program.to_owned(), arguments: arguments.join(" "), says }
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_older("0.9.0", "0.10.0"));
        assert!(is_older("0.1.0-rc.1", "0.1.1"));
        assert!(!is_older("1.0.0", "1.0.0"));
        assert!(!is_older("1.0.0", "0.9.9"));
        assert!(!is_older("1.0.0", "main"));
    }
}
