//! `make install`: the binary and the links, into a folder of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

use podnet_tests::{Program, workspace};

fn make(destination: &Path, words: &[&str]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the Makefile is what is tested")]
    let mut make = Command::new("make");
    make.current_dir(workspace()).arg("--old-file=build").args(words);
    make.arg(format!("DESTDIR={}", destination.display()));
    make.output().unwrap().status.success()
}

fn install(destination: &Path, links: &str) -> bool {
    let program = format!("PODNET_BIN={}", Program::podnet().unwrap().path().display());
    make(destination, &["install", "PREFIX=/cni", &format!("LINKS={links}"), &program])
}

#[test]
fn a_plugin_that_a_link_replaces_is_kept_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("cni/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("bridge"), "the reference plugin").unwrap();
    for _again in 0..2 {
        assert!(install(folder.path(), "bridge host-local"));
        let mut names: Vec<_> = fs::read_dir(&bin).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["bridge", "bridge.orig", "host-local", "podnet"]);
        for link in ["bridge", "host-local"] {
            assert_eq!(
                fs::read_link(bin.join(link)).unwrap(),
                Path::new("podnet"),
                "relative, so that the folder may move"
            );
        }
        assert_eq!(fs::read_to_string(bin.join("bridge.orig")).unwrap(), "the reference plugin");
    }
    let ours = fs::read(Program::podnet().unwrap().path()).unwrap();
    assert!(fs::read(bin.join("bridge")).unwrap() == ours, "the link leads to another file");
}

#[test]
fn a_binary_in_use_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let podnet = folder.path().join("cni/bin/podnet");
    fs::create_dir_all(podnet.parent().unwrap()).unwrap();
    fs::write(&podnet, "an older one").unwrap();
    let in_use = fs::File::open(&podnet).unwrap();
    assert!(install(folder.path(), ""));
    assert_eq!(std::io::read_to_string(in_use).unwrap(), "an older one", "written over instead of renamed");
}

#[test]
fn each_daemon_lies_where_its_unit_starts_it() {
    let folder = tempfile::tempdir().unwrap();
    for _again in 0..2 {
        assert!(make(folder.path(), &["install-daemons"]));
    }
    for name in ["podnet-ipamd", "podnet-masq-agent"] {
        let unit = folder.path().join(format!("etc/systemd/system/{name}.service"));
        let unit = fs::read_to_string(unit).unwrap();
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/")).unwrap();
        let program = folder.path().join(start.split(' ').next().unwrap());
        assert!(fs::metadata(&program).unwrap().is_file(), "{}", program.display());
    }
}

#[test]
fn a_link_of_an_unknown_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!install(folder.path(), "brigde"));
    assert!(!folder.path().join("cni/bin/brigde").exists());
}
