//! One call of gRPC over a unix socket: an HTTP/2 request by curl, whose body is one message with its length before
//! it, and whose verdict comes in the trailers. Source: grpc.io, "gRPC over HTTP2".

use std::fs;
use std::path::Path;

use super::protobuf::Message;
use crate::failure::{Context as _, Failure};
use crate::process::{command, run};
use crate::tools;

/// A byte that says that the message is not compressed, and four of its length.
const PREFIX: usize = 5;

/// Calls `SERVICE/METHOD` and gives the message of the answer; an error is the server's own text.
pub(super) fn call(socket: &Path, method: &str, request: &Message) -> Result<Vec<u8>, Failure> {
    let answer = tempfile::NamedTempFile::new()?;
    let mut curl = command(tools::in_path("curl")?, ["--silent", "--show-error", "--http2-prior-knowledge"]);
    curl.args(["--header", "content-type: application/grpc", "--header", "te: trailers"]);
    curl.arg("--unix-socket").arg(socket).args(["--data-binary", "@-", "--dump-header", "-", "--output"]);
    curl.arg(answer.path()).arg(format!("http://localhost/{method}"));

    let message = request.as_bytes();
    let length = u32::try_from(message.len())?.to_be_bytes();
    let headers = run(&mut curl, &[&[0], &length[..], message].concat())?.success().doing(method)?;
    let header = |name: &str| headers.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let status = header("grpc-status:").doing(format_args!("a verdict on {method} in {headers}"))?;
    crate::ensure!(
        status == "0",
        "{method} ended with status {status}: {}",
        header("grpc-message:").unwrap_or_default()
    );
    let body = fs::read(answer.path())?;
    Ok(body.get(PREFIX..).doing(format_args!("an answer to {method}"))?.to_vec())
}
