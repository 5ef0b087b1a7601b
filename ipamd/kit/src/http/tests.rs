use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use super::*;
use crate::stop;

const LIMITS: Limits = Limits { body: 16, request: Duration::from_millis(200), connections: 4 };

/// Serves an echo while `client` runs, and ends in order.
fn with_echo(admit: fn(&Peer) -> Result<(), String>, client: impl FnOnce(SocketAddr) + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopper, stop) = stop::channel();
        let echo = |request: Request<Bytes>| async { text(StatusCode::OK, request.into_body()) };
        tokio::spawn(serve(Listener::Tcp(listener), LIMITS, admit, echo, stop));
        let client = thread::spawn(move || client(address));
        while !client.is_finished() {
            sleep(Duration::from_millis(5)).await;
        }
        client.join().unwrap();
        stopper.stop().await;
    });
}

fn say(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_within_the_limits_is_answered() {
    with_echo(
        |_| Ok(()),
        |address| {
            let answer = say(
                address,
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            );
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nabc"), "{answer}");
        },
    );
}

#[test]
fn a_large_body_is_refused_announced_or_not() {
    with_echo(
        |_| Ok(()),
        |address| {
            let announced = say(address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n");
            assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
            let chunk = "11\r\n01234567890123456\r\n0\r\n\r\n";
            let chunked = say(
                address,
                &format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
            );
            assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
        },
    );
}

#[test]
fn a_slow_head_and_a_slow_body_end() {
    with_echo(
        |_| Ok(()),
        |address| {
            let head = say(address, "POST / HTTP/1.1\r\nHo");
            assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
            let body = say(address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
            assert!(body.starts_with("HTTP/1.1 408"), "{body}");
        },
    );
}

#[test]
fn whoever_is_not_admitted_hears_why() {
    with_echo(
        |_| Err("not you".to_owned()),
        |address| {
            let answer = say(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("not you\n"), "{answer}");
        },
    );
}

#[test]
fn a_request_under_way_is_answered_after_the_word_to_stop() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopper, stop) = stop::channel();
        let (seen, mut is_seen) = tokio::sync::mpsc::unbounded_channel();
        let slow = move |_: Request<Bytes>| {
            seen.send(()).unwrap();
            async {
                sleep(Duration::from_millis(50)).await;
                text(StatusCode::OK, "done")
            }
        };
        tokio::spawn(serve(Listener::Tcp(listener), LIMITS, |_| Ok(()), slow, stop));
        let client = thread::spawn(move || say(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        is_seen.recv().await.unwrap();
        stopper.stop().await;
        assert!(client.join().unwrap().ends_with("done"));
    });
}
