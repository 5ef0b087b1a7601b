//! `CNI_NETNS`: what is no sandbox for a pod is refused before anything is changed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::request::{assert_refused, call};

#[test]
fn the_plugins_own_namespace_is_refused() {
    for command in ["ADD", "CHECK", "DEL"] {
        for path in ["/proc/self/ns/net", "/proc/thread-self/ns/net", "/proc/self/task/../ns/net"] {
            let reply = call(command).var("CNI_NETNS", path).reply().unwrap();
            assert_refused(&reply, 8, &["plugin's netns and netns from CNI_NETNS should not be the same"]);
        }
    }
}

#[test]
fn a_path_without_anything_is_no_sandbox() {
    for command in ["ADD", "CHECK"] {
        for path in ["/nonexistent/netns", "nonexistent", "dummy", "/dev/null/netns", "/proc/0/ns/net"] {
            assert_refused(
                &call(command).var("CNI_NETNS", path).reply().unwrap(),
                8,
                &[path, "does not exist"],
            );
        }
    }
}

#[test]
fn another_kind_of_file_is_no_sandbox() {
    for command in ["ADD", "CHECK"] {
        for path in ["/", "/dev/null", "/proc/self/ns/mnt", "/proc/self/status", "/etc/passwd"] {
            let reply = call(command).var("CNI_NETNS", path).reply().unwrap();
            assert_refused(&reply, 8, &[path, "is not a network namespace"]);
        }
    }
}

#[test]
fn a_pipe_without_a_writer_is_no_sandbox_and_blocks_nobody() {
    let open_to_all = Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open_to_all).tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IROTH).unwrap();
    for command in ["ADD", "CHECK"] {
        let reply = call(command).var("CNI_NETNS", &pipe).reply().unwrap();
        assert_refused(&reply, 8, &[pipe.to_str().unwrap(), "is not a network namespace"]);
    }
    // For DEL that namespace is gone; what then becomes of it needs privileges.
    call("DEL").var("CNI_NETNS", &pipe).reply().unwrap();
}

#[test]
fn a_path_too_long_for_the_kernel_is_named() {
    let path = format!("/{}", "x".repeat(4096));
    let reply = call("ADD").var("CNI_NETNS", &path).reply().unwrap();
    assert_refused(&reply, 8, &["/xxx"]);
}
