//! The client against servers that behave and servers that do not.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;
use crate::{PodIpInfo, ReturnCode};

/// A server that answers each connection with the next of `answers`, and keeps what it was asked.
struct Fake {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    thread: std::thread::JoinHandle<Vec<String>>,
}

fn serve(answers: Vec<String>) -> Fake {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ipamd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_whole(&request) {
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            asked.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    Fake { _dir: dir, socket, thread }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    body.len() == length.parse::<usize>().unwrap()
}

fn client(socket: impl Into<PathBuf>) -> Client {
    Client { server: Server::Socket(socket.into()), limit: Duration::from_secs(5), patience: Duration::ZERO }
}

fn ok(body: &[u8]) -> String {
    let body = std::str::from_utf8(body).unwrap();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn granted() -> IpConfigsReply {
    IpConfigsReply { pod_ip_info: Some(vec![PodIpInfo::default()]), ..IpConfigsReply::default() }
}

#[test]
fn one_call_is_one_request() {
    let fake = serve(vec![ok(&encode(&granted()))]);
    let request = IpConfigsRequest { pod_interface_id: "i".to_owned(), ..IpConfigsRequest::default() };
    assert_eq!(client(&fake.socket).request_ips(&request).unwrap(), granted());
    let asked = fake.thread.join().unwrap().remove(0);
    assert!(asked.starts_with("POST /network/requestipconfigs HTTP/1.1\r\nHost: localhost\r\n"), "{asked}");
    let when = asked.lines().find_map(|line| line.strip_prefix("Podnet-Asked: ")).unwrap();
    let now = since_boot().as_nanos();
    assert!(when.parse::<u128>().is_ok_and(|when| when > 0 && when <= now), "{asked}");
    assert!(asked.ends_with(std::str::from_utf8(&encode(&request)).unwrap()), "{asked}");
}

#[test]
fn a_server_of_the_single_form_is_asked_in_that() {
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n".to_owned();
    let single = encode(&IpConfigReply::from(granted()));
    let fake =
        serve(vec![not_found.clone(), ok(&single), not_found, ok(b"{\"ReturnCode\":0,\"Message\":\"\"}")]);
    let client = client(&fake.socket);
    assert_eq!(client.request_ips(&IpConfigsRequest::default()).unwrap(), granted());
    client.release_ips(&IpConfigsRequest::default()).unwrap();
    let asked = fake.thread.join().unwrap();
    assert!(asked[1].starts_with("POST /network/requestipconfig HTTP/1.1"), "{}", asked[1]);
    assert!(asked[3].starts_with("POST /network/releaseipconfig HTTP/1.1"), "{}", asked[3]);
}

#[test]
fn a_refusal_has_its_code_and_its_reason() {
    let fake = serve(vec![ok(&encode(&IpConfigsReply::exhausted("0 free, 16 assigned")))]);
    let error = client(&fake.socket).request_ips(&IpConfigsRequest::default()).unwrap_err();
    assert!(matches!(&error, ClientError::Refused { code: ReturnCode::FAILED_TO_ALLOCATE_IP_CONFIG, .. }));
    assert!(error.may_pass() && !error.is_absence() && !error.may_have_acted());
    assert!(error.to_string().ends_with("FailedToAllocateIpConfig (32): 0 free, 16 assigned"), "{error}");
}

#[test]
fn a_server_that_is_not_ready_says_why() {
    let fake =
        serve(vec!["HTTP/1.1 503 Service Unavailable\r\n\r\nthe source\n has not answered yet".to_owned()]);
    let error = client(&fake.socket).ready().unwrap_err();
    assert!(error.may_pass() && error.is_absence());
    assert!(error.to_string().ends_with("503: the source has not answered yet"), "{error}");
}

#[test]
fn answers_that_are_none_are_errors() {
    for (answer, is_lost) in
        [("", true), ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", true), ("garbage\r\n\r\n", true)]
    {
        let fake = serve(vec![answer.to_owned()]);
        let error = client(&fake.socket).request_ips(&IpConfigsRequest::default()).unwrap_err();
        assert_eq!(matches!(error, ClientError::Lost { .. }), is_lost, "{answer:?}: {error:?}");
        assert!(error.may_have_acted());
    }
    let fake = serve(vec![ok(b"<html>")]);
    let error = client(&fake.socket).request_ips(&IpConfigsRequest::default()).unwrap_err();
    assert!(matches!(error, ClientError::Body { .. }) && error.may_have_acted(), "{error:?}");
}

#[test]
fn a_server_that_is_away_is_found_out_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ipamd.sock");
    let missing = client(&socket).ready().unwrap_err();
    drop(UnixListener::bind(&socket).unwrap());
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let dead = client(&socket).ready().unwrap_err();
    for error in [missing, dead] {
        assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
        assert!(error.is_absence() && error.may_pass() && !error.may_have_acted());
    }
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ipamd.sock");
    let patient =
        Client { patience: Duration::from_mins(1), limit: Duration::from_mins(1), ..client(&socket) };
    let call = std::thread::spawn(move || patient.ready());
    let listener = UnixListener::bind(dir.path().join("new")).unwrap();
    std::fs::set_permissions(dir.path().join("new"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(dir.path().join("new"), &socket).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(ok(b"ok").as_bytes()).unwrap();
    call.join().unwrap().unwrap();
}

#[test]
fn a_server_that_says_nothing_is_left_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ipamd.sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let hasty = Client { limit: Duration::from_millis(50), ..client(&socket) };
    let error = hasty.request_ips(&IpConfigsRequest::default()).unwrap_err();
    assert!(matches!(&error, ClientError::Lost { .. }) && error.may_have_acted(), "{error:?}");
}

#[test]
fn a_socket_of_others_is_not_trusted() {
    let fake = serve(Vec::new());
    for mode in [0o666, 0o660] {
        std::fs::set_permissions(&fake.socket, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = client(&fake.socket).ready().unwrap_err();
        assert!(!error.is_absence(), "{error:?}");
        assert!(matches!(error, ClientError::Connect { source: ServerError::NotPrivate { .. }, .. }));
    }
    std::fs::write(fake.socket.with_extension("txt"), "").unwrap();
    let error = client(fake.socket.with_extension("txt")).ready().unwrap_err();
    assert!(matches!(error, ClientError::Connect { source: ServerError::NoSocket, .. }), "{error:?}");
}

#[test]
fn urls_are_read() {
    for (url, server) in [
        ("http://localhost:10090", Some("localhost:10090")),
        ("http://127.0.0.1:10090/", Some("127.0.0.1:10090")),
        ("http://[::1]:80", Some("[::1]:80")),
        ("http://[::1]", Some("[::1]:80")),
        ("http://cns", Some("cns:80")),
        ("https://localhost:10090", None),
        ("localhost:10090", None),
        ("http://", None),
        ("http://localhost:x", None),
        ("http://localhost:70000", None),
        ("http://::1", None),
        ("http://a b:1", None),
        ("http://host:1/path", None),
    ] {
        assert_eq!(Server::from_url(url), server.map(|server| Server::Tcp(server.to_owned())), "{url}");
    }
}
