//! The one image of all engines, made here: no registry is asked.
//!
//! An archive as `docker save` writes it, which podman and containerd both read: `manifest.json` names the
//! configuration and the layers, the configuration the layers' digests (Docker Image Specification v1.2).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::{Context as _, Failure};
use crate::process::tool;
use crate::tools;

/// Its name. Started without a command it does nothing, as a pod's first container does.
pub(super) const NAME: &str = "localhost/podnet-test:1";

/// The programs of busybox that the tests call.
const PROGRAMS: [&str; 5] = ["sh", "ip", "ping", "httpd", "sleep"];

/// Writes the archive into a folder and gives its path.
pub(super) fn write(folder: &Path) -> Result<PathBuf, Failure> {
    let root = folder.join("root");
    for place in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(root.join(place))?;
    }
    fs::copy(tools::in_path("busybox")?, root.join("bin/busybox")).doing("copy busybox")?;
    for program in PROGRAMS {
        symlink("busybox", root.join("bin").join(program))?;
    }
    let (layer, archive) = (text(&folder.join("layer.tar")), folder.join("image.tar"));
    tool(&["tar", "--create", "--file", &layer, "--directory", &text(&root), "."])?;
    let sum = tool(&["sha256sum", &layer])?;
    let digest = sum.split_whitespace().next().doing("a digest")?;
    let config = json!({
        "architecture": if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": null, "Cmd": ["sleep", "2147483647"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]);
    fs::write(folder.join("config.json"), config.to_string())?;
    fs::write(folder.join("manifest.json"), manifest.to_string())?;
    let files = ["manifest.json", "config.json", "layer.tar"];
    let into = ["tar", "--create", "--file", &text(&archive), "--directory", &text(folder)];
    tool(&[&into[..], &files].concat())?;
    Ok(archive)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
