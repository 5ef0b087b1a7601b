//! Who is answered, and who is not.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::{Ipamd, body_for, over_tcp};
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::{ensure, ensure_eq};

use super::{STATIC, Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("peers::a_tcp_client_is_known_by_its_uid", uids),
    ("peers::a_foreign_host_is_refused", foreign_host),
    ("peers::the_socket_is_roots", socket),
    ("peers::bad_requests_are_answered_as_such", bad_requests),
    ("peers::a_request_in_pieces_and_one_that_never_ends", slow_requests),
];

const HTTP: &str = "127.0.0.1:10090";

fn with_http(more: &str) -> String {
    format!("listen: {{http: '{HTTP}'{more}}}\n{STATIC}")
}

/// The HTTP status that a program of this user gets.
fn status_as(uid: u32) -> Result<String, Failure> {
    let uid = uid.to_string();
    let script = "exec 3<>/dev/tcp/127.0.0.1/10090
        printf 'GET /debug/status HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3
        head -1 <&3";
    let words = ["--reuid", &uid, "--clear-groups", "bash", "-c", script];
    run(command("setpriv", words).stdin(Stdio::null()), b"")?.success()
}

fn uids() -> Outcome {
    let daemon = Ipamd::start(&folder()?, &with_http(", allowUids: [4711]"))?;
    for (uid, expected) in [(0, "200"), (4711, "200"), (4712, "403"), (65534, "403")] {
        let status = status_as(uid)?;
        ensure!(status.contains(expected), "uid {uid} got {status}");
    }
    drop(daemon);
    Ok(())
}

fn foreign_host() -> Outcome {
    let _daemon = Ipamd::start(&folder()?, &with_http(""))?;
    for host in ["evil.example", "evil.example:10090", "10.224.0.4", "localhost.evil.example:10090"] {
        let answer = over_tcp(HTTP, host, "POST", "/network/requestipconfigs", &body_for("a"))?;
        ensure_eq!(answer.status, 403, "{host}");
    }
    for host in ["localhost:10090", "127.0.0.1:10090", "localhost"] {
        let answer = over_tcp(HTTP, host, "POST", "/network/requestipconfigs", &body_for("a"))?;
        ensure_eq!(answer.status, 200, "{host}");
    }
    Ok(())
}

fn socket() -> Outcome {
    let daemon = Ipamd::start(&folder()?, STATIC)?;
    let mode = std::fs::metadata(daemon.socket())?.permissions().mode() & 0o7777;
    ensure_eq!(mode, 0o600, "the socket's mode");
    // Even where somebody opened the way to it.
    std::fs::set_permissions(daemon.socket(), std::fs::Permissions::from_mode(0o777))?;
    for folder in ["/run/ipamd-test", "/run/ipamd-test/state"] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    }
    let path = daemon.socket().display().to_string();
    let url = [
        "--reuid",
        "65534",
        "--clear-groups",
        "curl",
        "-sS",
        "-o",
        "-",
        "-w",
        "%{http_code}",
        "--unix-socket",
        &path,
        "http://localhost/readyz",
    ];
    let said = run(command("setpriv", url).stdin(Stdio::null()), b"")?.success()?;
    ensure!(said.contains("403"), "nobody got {said}");
    Ok(())
}

fn bad_requests() -> Outcome {
    let daemon = Ipamd::start(&folder()?, STATIC)?;
    daemon.ready()?;
    let path = "/network/requestipconfigs";
    let body = body_for("a");
    let large = format!("{}{}", body, " ".repeat(70_000));
    let code = |body: &str| -> Result<i64, Failure> {
        let answer = daemon.post(path, body)?;
        ensure_eq!(answer.status, 200, "the status for {body:.120}");
        Ok(answer.json()?["response"]["ReturnCode"].as_i64().unwrap_or(-1))
    };
    for (status, bad) in [
        (400, ""),
        (400, "{"),
        (400, "<xml/>"),
        (400, "[]"),
        (400, r#"{"podInterfaceID": 7}"#),
        (413, &large),
    ] {
        let answer = daemon.post(path, bad)?;
        ensure_eq!(answer.status, status, "the status for {bad:.120}");
        ensure!(!answer.body.is_empty(), "no reason for {bad:.120}");
    }
    let context = r#"{"podName":"pod-a","podNamespace":"ns"}"#;
    ensure_eq!(code("{}")?, 33, "no context");
    ensure_eq!(code(&body.replace(context, "\"text\""))?, 34, "a context that is none");
    ensure_eq!(code(&body.replace(context, "{}"))?, 34, "a context without names");
    ensure_eq!(code(&body.replace("\"a\"", "\"\""))?, 23, "nobody asks");
    ensure_eq!(code(&body.replace(":null,\"pod", ":[\"192.0.2.1\"],\"pod"))?, 15, "outside of the pool");
    ensure_eq!(code(&body.replace(":null,\"pod", ":[\"x\"],\"pod"))?, 2, "no address");
    ensure_eq!(daemon.get("/nothing")?.status, 404, "an unknown path");
    let held = daemon.request("a")?.address()?;
    let foreign = body_for("b").replace(":null,\"pod", &format!(":[\"{held}\"],\"pod"));
    ensure_eq!(code(&foreign)?, 15, "another's address");
    // The address in a release is nobody's proof.
    ensure_eq!(
        daemon.post("/network/releaseipconfigs", &foreign)?.json()?["response"]["ReturnCode"],
        0,
        "the release of nothing"
    );
    ensure_eq!(daemon.request("a")?.address()?, held, "a release of another's address freed it");
    Ok(())
}

fn slow_requests() -> Outcome {
    let daemon = Ipamd::start(&folder()?, STATIC)?;
    daemon.ready()?;
    let body = body_for("a");
    let head = format!(
        "POST /network/requestipconfigs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = UnixStream::connect(daemon.socket())?;
    for piece in [&head[..20], &head[20..], &body[..10], &body[10..]] {
        stream.write_all(piece.as_bytes())?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let start = Instant::now();
    let mut endless = UnixStream::connect(daemon.socket())?;
    endless.set_read_timeout(Some(Duration::from_secs(20)))?;
    endless.write_all(format!("{head}{{").as_bytes())?;
    let mut answer = String::new();
    endless.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    ensure!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
    // Nobody else has waited for that.
    ensure_eq!(daemon.request("b")?.status, 200, "another request");
    Ok(())
}
