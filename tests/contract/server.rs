//! Who is asked.

use podnet_tests::Ipamd;

/// The server under test.
pub(crate) enum Server {
    /// Somebody else's, by host and port.
    Other(String),
    /// Our own, with some addresses, for the time of a test.
    Own(Ipamd),
}

impl Server {
    /// What `CNS_URL` names, else podnet-ipamd.
    pub(crate) fn of_tests() -> Self {
        let url = std::env::var("CNS_URL").ok().filter(|url| !url.is_empty());
        match url {
            Some(url) => {
                let authority = url.trim_start_matches("http://").trim_end_matches('/');
                Self::Other(authority.to_owned())
            }
            None => Self::Own(Ipamd::start(&["10.224.1.0/29"]).unwrap()),
        }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        match self {
            Self::Other(authority) => authority,
            Self::Own(daemon) => daemon.http(),
        }
    }
}
