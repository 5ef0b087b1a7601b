//! The container image: made twice it is the same, and its programs run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use podnet_netns_tests::engine::Room;
use podnet_netns_tests::engine::podman::Podman;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::{ensure, tools};
use serde_json::json;

pub(crate) fn cases() -> Vec<Case> {
    let body = Box::new(image);
    vec![Case {
        name: "image::two_builds_are_one_image_that_runs".to_owned(),
        limit: Duration::from_mins(5),
        body,
    }]
}

/// Where programs may run from, in the engine's room.
const FOLDER: &str = "/run/engine";

fn image() -> Outcome {
    tools::in_path("buildah")?;
    let room = Room::prepare()?;
    let programs = [
        ("podnet", tools::podnet()?),
        ("podnet-ipamd", tools::ipamd()?),
        ("podnet-masq-agent", tools::masq_agent()?),
    ];
    let first = build("first", &programs)?;
    // Copied, the files have another time, and lie elsewhere.
    let elsewhere = Path::new(FOLDER).join("elsewhere");
    fs::create_dir(&elsewhere)?;
    let mut copied = programs.clone();
    for (name, path) in &mut copied {
        let copy = elsewhere.join(name);
        fs::copy(&*path, &copy)?;
        *path = copy;
    }
    let second = build("second", &copied)?;
    ensure!(
        fs::read(&first)? == fs::read(&second)?,
        "two builds differ: {} {}",
        first.display(),
        second.display()
    );

    let plugins = room.plugins(&programs[..1])?;
    let podman = Podman::prepare(&room, &plugins, &json!({"name": "none"}))?;
    let said = podman.call(&["load", "--quiet", "--input", &first.to_string_lossy()])?;
    let image = said.trim().rsplit(' ').next().unwrap_or_default();
    ensure!(image.starts_with("docker.io/podnet/podnet:"), "the image is {image}");
    for (program, words, expected) in [
        ("/podnet-ipamd", &["--version"][..], "podnet-ipamd "),
        ("/podnet", &["version"], "CNI "),
        ("/podnet-masq-agent", &["--help"], "masq"),
        ("nft", &["--version"], "nftables v"),
        ("iptables", &["--version"], "(nf_tables)"),
        ("ip6tables-legacy", &["--version"], "(legacy)"),
    ] {
        let said = podman.once(image, &["--entrypoint", program], words)?;
        ensure!(said.contains(expected), "{program} {words:?}: {said}");
    }
    // As the init container does it.
    let node = Path::new(FOLDER).join("node");
    fs::create_dir(&node)?;
    let volume = format!("{}:/opt/cni/bin", node.display());
    let words = ["install", "--bin-dir", "/opt/cni/bin", "--conf-dir", "/etc/cni/net.d", "--skip-doctor"];
    let options = ["--read-only", "--cap-drop", "ALL", "--volume", &volume];
    podman.once(image, &options, &words)?;
    ensure!(fs::read(node.join("podnet"))? == fs::read(tools::podnet()?)?, "another podnet was installed");
    Ok(())
}

fn build(name: &str, programs: &[(&str, PathBuf)]) -> Result<PathBuf, Failure> {
    let archive = Path::new(FOLDER).join(name).with_extension("tar");
    let mut script = command(tools::workspace().join("conf/images/build"), [&archive]);
    for (_, program) in programs {
        script.arg(program.canonicalize().doing(program.display())?);
    }
    // It says how large the image is.
    ensure!(run(&mut script, b"")?.success()?.contains("unpacked "), "no size is said");
    Ok(archive)
}
