//! What can go wrong between a request and its answer.

use std::io;

use nix::errno::Errno;

/// A failed netlink exchange. Every variant but `Open` names the request in the caller's words.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket could not be made or configured.
    #[error("cannot open a netlink socket for {protocol}")]
    Open {
        /// The netlink family, for example `rtnetlink`.
        protocol: &'static str,
        /// The failing system call's error.
        #[source]
        source: io::Error,
    },
    /// The kernel did not take the datagram.
    #[error("{request}: cannot send the request")]
    Send {
        /// What was asked.
        request: String,
        /// The error of `sendto(2)`.
        #[source]
        source: io::Error,
    },
    /// The answer could not be read.
    #[error("{request}: cannot read the answer")]
    Receive {
        /// What was asked.
        request: String,
        /// The error of `recvfrom(2)`.
        #[source]
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error("{request}: refused{}", after_colon(.message.as_deref()))]
    Refused {
        /// What was asked.
        request: String,
        /// The kernel's error number.
        #[source]
        errno: Errno,
        /// The kernel's extended message (`NLMSGERR_ATTR_MSG`), where it gave one.
        message: Option<String>,
    },
    /// The answer breaks the protocol.
    #[error("{request}: malformed answer: {problem}")]
    Malformed {
        /// What was asked.
        request: String,
        /// Which rule the answer breaks.
        problem: &'static str,
    },
    /// A dump was overtaken by changes each time it was tried.
    #[error("{request}: the listing was overtaken by changes {attempts} times")]
    Interrupted {
        /// What was asked.
        request: String,
        /// How often the dump was tried.
        attempts: u32,
    },
}

impl NetlinkError {
    /// The kernel's error number, where the kernel refused the request.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

fn after_colon(message: Option<&str>) -> String {
    message.map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: Option<&str>) -> NetlinkError {
        NetlinkError::Refused {
            request: "create link veth123".to_owned(),
            errno: Errno::EEXIST,
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn text_names_the_request_and_the_kernels_words_and_the_source_the_errno() {
        use std::error::Error;
        assert_eq!(refused(None).to_string(), "create link veth123: refused");
        let error = refused(Some("name taken"));
        assert_eq!(error.to_string(), "create link veth123: refused: name taken");
        assert_eq!(error.source().unwrap().to_string(), "EEXIST: File exists");
    }
}
