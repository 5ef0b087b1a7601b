//! Which network a runtime takes: the first file by name, if it can be read.
//!
//! containerd stops at a file that it cannot read, and uses the first that it can; so does libcni.

use std::path::{Path, PathBuf};

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::tool::conf;
use crate::tool::conf_dir::{ConfFile, kind};

/// A file as a runtime sees it.
#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    network: String,
    is_podnet: bool,
    /// Why a runtime, or podnet, refuses it.
    errors: Vec<String>,
    unknown: Vec<String>,
    /// What the extension has to be, where it is another.
    extension: Option<&'static str>,
}

/// Looks at the files.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let files: Vec<File> = node.files.iter().map(File::of).collect();
    findings(&node.conf_dir, &files, node.awaited_daemon().is_some())
}

impl File {
    fn of(file: &ConfFile) -> Self {
        let found = match &file.content {
            Ok(content) => conf::findings(content).map_err(|error| crate::error::chain(&error)),
            Err(error) => Err(error.clone()),
        };
        let found = found.unwrap_or_else(|error| conf::Findings { errors: vec![error], unknown: Vec::new() });
        Self {
            path: file.path.clone(),
            network: file.network().to_owned(),
            is_podnet: file.entries().iter().any(|entry| kind(entry) == Some("podnet")),
            errors: found.errors,
            unknown: found.unknown,
            extension: file.wrong_extension(),
        }
    }

    fn is_usable(&self) -> bool {
        self.errors.is_empty() && self.extension.is_none()
    }

    fn finding(&self, severity: Severity, problem: String, why: &str, fix: String) -> Finding {
        let object = self.path.display().to_string();
        Finding { severity, check: "conflist", object, problem, why: why.to_owned(), fix }
    }
}

/// # Arguments
/// `is_awaited`: whether there is a daemon that may be about to write one.
fn findings(dir: &Path, files: &[File], is_awaited: bool) -> Vec<Finding> {
    let Some(chosen) = files.iter().position(File::is_usable) else {
        let mut found = unusable(files, files.len());
        if files.is_empty() {
            let (why, fix) = if is_awaited {
                ("podnet-ipamd writes it, where told to, once it can serve", "podnet-ipamd status".to_owned())
            } else {
                let target = dir.join("10-podnet.conflist");
                let target = quoted(&target.to_string_lossy());
                ("no pod gets a network", format!("install -D -m 0644 conf/kubenet.conflist {target}"))
            };
            found.push(Finding {
                severity: Severity::Error,
                check: "conflist",
                object: dir.display().to_string(),
                problem: "there is no network configuration".to_owned(),
                why: format!("the node stays NotReady: {why}"),
                fix,
            });
        }
        return found;
    };
    let mut found = unusable(files, chosen);
    found.extend(shadowed(files, chosen));
    for (index, file) in files.iter().enumerate() {
        let earlier =
            files.iter().take(index).find(|other| !file.network.is_empty() && other.network == file.network);
        if let Some(earlier) = earlier {
            let problem = format!("network {} is that of {} too", file.network, earlier.path.display());
            let why = "which of both a runtime takes depends on the runtime";
            found.push(file.finding(Severity::Warning, problem, why, disable(&file.path)));
        }
        if !file.unknown.is_empty() {
            let why = "what a member is meant to say is not heard: its default holds";
            let fix = format!("podnet conf {}", quoted(&file.path.to_string_lossy()));
            found.push(file.finding(Severity::Notice, file.unknown.join("; "), why, fix));
        }
    }
    found
}

/// What cannot be used; what lies before the chosen file keeps runtimes from it.
fn unusable(files: &[File], chosen: usize) -> Vec<Finding> {
    let finding = |(index, file): (usize, &File)| {
        let name = file.path.to_string_lossy();
        let (severity, why) = if index < chosen {
            (Severity::Error, "runtimes stop here: the node stays NotReady and no pod gets a network")
        } else {
            (Severity::Warning, "it takes no effect, and some runtimes stop at it")
        };
        let (problem, fix) = match (file.extension, chosen < files.len()) {
            (Some(extension), _) => {
                let right = file.path.with_extension(extension);
                let problem = format!("this content needs the extension .{extension}");
                (problem, format!("mv {} {}", quoted(&name), quoted(&right.to_string_lossy())))
            }
            (None, true) => (file.errors.join("; "), disable(&file.path)),
            (None, false) => (file.errors.join("; "), format!("podnet conf {}", quoted(&name))),
        };
        file.finding(severity, problem, why, fix)
    };
    files.iter().enumerate().filter(|(_, file)| !file.is_usable()).map(finding).collect()
}

/// Another plugin's file before podnet's.
fn shadowed(files: &[File], chosen: usize) -> Option<Finding> {
    let first = files.get(chosen).filter(|first| !first.is_podnet)?;
    let ours = files.iter().find(|file| file.is_podnet && file.is_usable())?;
    let problem = format!("it comes before {}", ours.path.display());
    let why = "runtimes take the first file by name: pods get that network, not podnet's";
    Some(first.finding(Severity::Error, problem, why, disable(&first.path)))
}

fn disable(path: &Path) -> String {
    let name = path.to_string_lossy();
    format!("mv {} {}", quoted(&name), quoted(&format!("{name}.disabled")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, is_podnet: bool) -> File {
        File {
            path: Path::new("/c").join(name),
            network: name.to_owned(),
            is_podnet,
            errors: Vec::new(),
            unknown: Vec::new(),
            extension: None,
        }
    }

    fn bad(name: &str) -> File {
        File { errors: vec!["not valid JSON".to_owned()], network: String::new(), ..file(name, false) }
    }

    fn seen(files: &[File]) -> Vec<(Severity, String)> {
        findings(Path::new("/c"), files, false).into_iter().map(|found| (found.severity, found.fix)).collect()
    }

    #[test]
    fn one_good_file_is_all_that_is_needed() {
        assert_eq!(seen(&[file("10", true)]), []);
        assert_eq!(seen(&[file("10", true), file("20", false)]), []);
        assert_eq!(seen(&[file("10", false)]), []);
    }

    #[test]
    fn no_file_is_an_error() {
        let fix = "install -D -m 0644 conf/kubenet.conflist /c/10-podnet.conflist".to_owned();
        assert_eq!(seen(&[]), [(Severity::Error, fix)]);
        // Whoever awaits a daemon's list is not told to put another one there.
        let awaited = findings(Path::new("/c"), &[], true);
        assert_eq!(awaited[0].fix, "podnet-ipamd status");
    }

    #[test]
    fn a_file_before_ours_has_to_go() {
        let fix = "mv /c/05 /c/05.disabled".to_owned();
        assert_eq!(seen(&[file("05", false), file("10", true)]), [(Severity::Error, fix.clone())]);
        assert_eq!(seen(&[bad("05"), file("10", true)]), [(Severity::Error, fix)]);
    }

    #[test]
    fn a_bad_file_behind_ours_is_a_warning_and_alone_an_error() {
        assert_eq!(
            seen(&[file("10", true), bad("20")]),
            [(Severity::Warning, "mv /c/20 /c/20.disabled".to_owned())]
        );
        assert_eq!(seen(&[bad("20")]), [(Severity::Error, "podnet conf /c/20".to_owned())]);
    }

    #[test]
    fn a_list_with_the_extension_of_a_plugin_is_renamed() {
        let list = File { extension: Some("conflist"), ..file("10-net.conf", true) };
        assert_eq!(seen(&[list]), [(Severity::Error, "mv /c/10-net.conf /c/10-net.conflist".to_owned())]);
    }

    #[test]
    fn one_name_twice_is_a_warning() {
        let twice = File { network: "10".to_owned(), ..file("20", true) };
        assert_eq!(
            seen(&[file("10", true), twice]),
            [(Severity::Warning, "mv /c/20 /c/20.disabled".to_owned())]
        );
    }
}
