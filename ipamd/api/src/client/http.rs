//! As much of HTTP/1.1 (RFC 9112) as one request and its answer need: fixed length, chunks, or all until the end.

use std::io::{self, ErrorKind, Read};

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// The longest body of an answer, in bytes: all that a daemon tells of a pool of the largest size.
const MAX_ANSWER: usize = 16 << 20;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A request after which the server closes the connection.
pub(super) fn request(
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let length = body.len();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n"
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Reads one answer and nothing after it.
pub(super) fn read_answer(source: &mut impl Read) -> io::Result<Answer> {
    let mut input = Input { source, bytes: Vec::new(), at: 0 };
    loop {
        let head = Head::read(&mut input)?;
        // Interim answers have no body (RFC 9110 section 15.2).
        if !(100..200).contains(&head.status) {
            return Ok(Answer { status: head.status, body: head.body(&mut input)? });
        }
    }
}

/// What the head says of the answer.
#[derive(Debug)]
struct Head {
    status: u16,
    length: Option<usize>,
    is_chunked: bool,
}

impl Head {
    fn read<R: Read>(input: &mut Input<'_, R>) -> io::Result<Self> {
        let mut left = MAX_HEAD;
        let first = input.line(&mut left)?;
        let mut words = first.splitn(3, ' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().filter(|_| is_http).and_then(|status| status.parse().ok());
        let status: u16 = status.ok_or_else(|| malformed("no status line"))?;
        let mut head = Self { status, length: None, is_chunked: false };
        loop {
            let line = input.line(&mut left)?;
            if line.is_empty() {
                return Ok(head);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header without name"))?;
            head.note(name, value.trim())?;
        }
    }

    fn note(&mut self, name: &str, value: &str) -> io::Result<()> {
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().ok().ok_or_else(|| malformed("the length is no number"))?;
            if self.length.is_some_and(|other| other != length) {
                return Err(malformed("two lengths"));
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(malformed("an unknown transfer encoding"));
            }
            self.is_chunked = true;
        }
        Ok(())
    }

    fn body<R: Read>(&self, input: &mut Input<'_, R>) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match (self.is_chunked, self.length) {
            // Whatever the length says then (RFC 9112 section 6.3).
            (true, _) => input.chunks(&mut body)?,
            (false, Some(length)) => input.take(length, &mut body)?,
            (false, None) => input.rest(&mut body)?,
        }
        Ok(body)
    }
}

/// What was read and not yet looked at.
struct Input<'a, R> {
    source: &'a mut R,
    bytes: Vec<u8>,
    at: usize,
}

impl<R: Read> Input<'_, R> {
    /// Reads more; says whether there was any.
    fn fill(&mut self) -> io::Result<bool> {
        let mut more = [0; 4096];
        loop {
            match self.source.read(&mut more) {
                Ok(count) => {
                    self.bytes.drain(..self.at);
                    self.at = 0;
                    self.bytes.extend(more.iter().take(count));
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn unread(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A line without its end, which takes from what is `left` for lines.
    fn line(&mut self, left: &mut usize) -> io::Result<String> {
        loop {
            let end = self.unread().iter().position(|&byte| byte == b'\n');
            let length = end.map_or(self.unread().len(), |end| end + 1);
            if length > *left {
                return Err(malformed("too long a head"));
            }
            if end.is_some() {
                let line = String::from_utf8_lossy(self.unread().get(..length).unwrap_or_default());
                let line = line.trim_end_matches(['\r', '\n']).to_owned();
                *left -= length;
                self.at += length;
                return Ok(line);
            }
            if !self.fill()? {
                return Err(cut_off());
            }
        }
    }

    /// Moves the next `length` bytes to the body.
    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        if length > MAX_ANSWER || body.len() + length > MAX_ANSWER {
            return Err(too_long());
        }
        let mut left = length;
        loop {
            let count = left.min(self.unread().len());
            body.extend(self.unread().iter().take(count));
            self.at += count;
            left -= count;
            if left == 0 {
                return Ok(());
            }
            if !self.fill()? {
                return Err(cut_off());
            }
        }
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        let mut left = MAX_HEAD;
        loop {
            let line = self.line(&mut left)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).ok().ok_or_else(|| malformed("the chunk has no size"))?;
            if size == 0 {
                // What follows are trailers, and the connection's end.
                return Ok(());
            }
            self.take(size, body)?;
            if !self.line(&mut left)?.is_empty() {
                return Err(malformed("the chunk is longer than its size"));
            }
        }
    }

    fn rest(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            self.take(self.unread().len(), body)?;
            if !self.fill()? {
                return Ok(());
            }
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the answer is not HTTP: {what}"))
}

fn cut_off() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the answer was cut off")
}

fn too_long() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the answer is longer than {} KiB", MAX_ANSWER >> 10))
}

#[cfg(test)]
mod tests;
