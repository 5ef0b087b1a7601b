//! Answers of every framing, whole and in drops.

use proptest::prelude::*;

use super::*;

/// Gives out its bytes in pieces of `step`.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.1.min(self.0.len());
        let (now, later) = self.0.split_at(step);
        self.0 = later;
        now.as_ref().read(buffer)
    }
}

fn answer(text: &str) -> io::Result<Answer> {
    let whole = read_answer(&mut text.as_bytes());
    let dripping = read_answer(&mut Drip(text.as_bytes(), 1));
    assert_eq!(whole.as_ref().ok(), dripping.as_ref().ok(), "{text:?}");
    whole
}

fn body(text: &str) -> String {
    String::from_utf8(answer(text).unwrap().body).unwrap()
}

#[test]
fn bodies_of_every_framing_are_read() {
    assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhelloNEXT"), "hello");
    assert_eq!(
        body(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world!!!\r\n0\r\n\r\n"
        ),
        "hello, world!!!"
    );
    assert_eq!(body("HTTP/1.0 200 OK\n\nall of it"), "all of it");
    assert_eq!(body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), "");
}

#[test]
fn the_status_is_read_whatever_its_words() {
    assert_eq!(answer("HTTP/1.1 503 Not ready, yet\r\nContent-Length: 0\r\n\r\n").unwrap().status, 503);
    assert_eq!(answer("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n").unwrap().status, 404);
}

#[test]
fn what_is_no_answer_is_refused() {
    for (text, kind) in [
        ("", ErrorKind::UnexpectedEof),
        ("HTTP/1.1 200 OK\r\nContent-Len", ErrorKind::UnexpectedEof),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ErrorKind::UnexpectedEof),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ErrorKind::UnexpectedEof),
        ("<html>", ErrorKind::UnexpectedEof),
        ("SSH-2.0-OpenSSH\r\n", ErrorKind::InvalidData),
        ("HTTP/1.1 xxx OK\r\n\r\n", ErrorKind::InvalidData),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ErrorKind::InvalidData),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ErrorKind::InvalidData),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", ErrorKind::InvalidData),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n", ErrorKind::InvalidData),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", ErrorKind::InvalidData),
        ("HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", ErrorKind::InvalidData),
    ] {
        assert_eq!(answer(text).unwrap_err().kind(), kind, "{text:?}");
    }
}

#[test]
fn answers_without_end_are_refused() {
    for head in [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    ] {
        let filler: &[u8] = if head.contains("chunked") { b"1\r\na\r\n" } else { b"aaaaaaaa: b\r\n" };
        let mut endless = head.as_bytes().chain(Forever(filler, 0));
        assert_eq!(read_answer(&mut endless).unwrap_err().kind(), ErrorKind::InvalidData, "{head:?}");
    }
}

/// The same bytes for ever.
struct Forever(&'static [u8], usize);

impl Read for Forever {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for slot in buffer.iter_mut() {
            *slot = self.0[self.1 % self.0.len()];
            self.1 += 1;
        }
        Ok(buffer.len())
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..40) {
        let headed = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat();
        for bytes in [&bytes, &headed] {
            let whole = read_answer(&mut bytes.as_slice()).ok();
            prop_assert_eq!(whole, read_answer(&mut Drip(bytes, step)).ok());
        }
    }

    #[test]
    fn chunks_are_what_was_cut(body in "[a-z]{0,200}", sizes in proptest::collection::vec(1_usize..30, 1..20)) {
        let mut text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        let mut rest = body.as_str();
        for size in sizes.iter().cycle() {
            let (now, later) = rest.split_at((*size).min(rest.len()));
            text.extend([&format!("{:x}", now.len()), "\r\n", now, "\r\n"]);
            rest = later;
            if now.is_empty() { break }
        }
        prop_assert_eq!(answer(&text).unwrap().body, body.into_bytes());
    }
}
