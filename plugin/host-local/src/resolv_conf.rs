//! The name servers of a node, read from its resolv.conf(5).

use std::io;
use std::path::{Path, PathBuf};

/// What of resolv.conf(5) a CNI result can carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// `nameserver` lines in their order, as written: an address may carry a zone.
    pub nameservers: Vec<String>,
    /// The last `domain` line.
    pub domain: Option<String>,
    /// The words of every `search` line.
    pub search: Vec<String>,
    /// The words of every `options` line.
    pub options: Vec<String>,
}

/// A resolv.conf that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the name servers from {}", path.display())]
pub struct ResolvConfError {
    path: PathBuf,
    source: io::Error,
}

impl ResolvConf {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ResolvConfError> {
        let text = std::fs::read(path).map_err(|source| ResolvConfError { path: path.to_owned(), source })?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads a text. Comments, keywords without a value and other keywords are passed over, as the resolver
    /// does.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace().map(str::to_owned);
            let (Some(keyword), Some(value)) = (words.next(), words.next()) else {
                continue;
            };
            match keyword.as_str() {
                "nameserver" => conf.nameservers.push(value),
                "domain" => conf.domain = Some(value),
                "search" => conf.search.extend(std::iter::once(value).chain(words)),
                "options" => conf.options.extend(std::iter::once(value).chain(words)),
                _ => {}
            }
        }
        conf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_single_nameserver() {
        let want = ResolvConf { nameservers: words(&["192.0.2.0"]), ..ResolvConf::default() };
        assert_eq!(ResolvConf::parse("nameserver 192.0.2.0"), want);
    }

    #[test]
    fn all_keywords_comments_and_noise() {
        let text = "# nameserver 192.0.2.99\n; search none\nnameserver 192.0.2.0\r\nnameserver  fe80::1%eth0 # local\n\
                    domain example.com\nsearch a.example.com\tb.example.com\nsearch c.example.com\n\
                    options ndots:5 edns0\nsortlist 192.0.2.0\nnameserver\n\noptions\n";
        let want = ResolvConf {
            nameservers: words(&["192.0.2.0", "fe80::1%eth0"]),
            domain: Some("example.com".to_owned()),
            search: words(&["a.example.com", "b.example.com", "c.example.com"]),
            options: words(&["ndots:5", "edns0"]),
        };
        assert_eq!(ResolvConf::parse(text), want);
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let error = ResolvConf::read(Path::new("/nonexistent/resolv.conf")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the name servers from /nonexistent/resolv.conf");
    }
}
