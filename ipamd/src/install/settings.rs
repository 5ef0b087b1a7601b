//! The daemon's configuration: written from members that the command line names, and read for where its conflist goes.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::InstallError;
use crate::config::{Config, ConfigError, Problem, STATE};

/// The configuration that `MEMBER=VALUE` words make, in YAML, as the daemon accepts it; none where there are none.
pub(super) fn text(members: &[String]) -> Result<Option<String>, InstallError> {
    if members.is_empty() {
        return Ok(None);
    }
    let mut document = Map::new();
    for word in members {
        let (member, value) = word.split_once('=').ok_or_else(|| setting(word, "is not MEMBER=VALUE"))?;
        let value = serde_saphyr::from_str(value)
            .map_err(|error| setting(member, &error.without_snippet().to_string()))?;
        place(&mut document, member, value).ok_or_else(|| setting(member, "is set twice"))?;
    }
    let text = serde_saphyr::to_string(&document).map_err(|error| setting("", &error.to_string()))?;
    match Config::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(problems) => {
            let says = |problem: &Problem| format!("{} {}", problem.field, problem.says);
            Err(setting("", &problems.iter().map(says).collect::<Vec<_>>().join("; ")))
        }
    }
}

/// Puts a value where its name says, as `source.kind`; nothing where there is one.
fn place(document: &mut Map<String, Value>, member: &str, value: Value) -> Option<()> {
    let Some((first, rest)) = member.split_once('.') else {
        return document.insert(member.to_owned(), value).is_none().then_some(());
    };
    let inner = document.entry(first).or_insert_with(|| Value::Object(Map::new()));
    place(inner.as_object_mut()?, rest, value)
}

fn setting(member: &str, says: &str) -> InstallError {
    let member = member.to_owned();
    InstallError::Setting { member, says: says.trim().to_owned() }
}

/// Where the daemon is going to write its conflist: by the configuration that is there, else by the one that is to come.
pub(super) fn conflist(there: &Path, to_come: Option<&str>) -> Result<Option<PathBuf>, InstallError> {
    let config = match (there.exists(), to_come) {
        (true, _) => Config::read(there)?,
        (false, Some(text)) => Config::parse(text)
            .map_err(|problems| ConfigError::Invalid { path: there.to_owned(), problems })?,
        (false, None) => return Ok(None),
    };
    Ok(config.conflist.map(|conflist| conflist.path))
}

/// Where the daemon has its state, by the configuration that is there; where there is none, where it is by default.
pub(super) fn state(there: &Path) -> PathBuf {
    Config::read(there).map_or_else(|_| STATE.into(), |config| config.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Option<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        text(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn members_make_a_configuration_that_the_daemon_reads() {
        let words = [
            "source.kind=static",
            "source.subnet=10.1.0.0/16",
            "source.ranges=[10.1.1.0/24]",
            "pool.coolDown=5s",
            "conflist={path: /etc/cni/net.d/10-podnet.conflist, template: kubenet}",
        ];
        let text = of(&words).unwrap().unwrap();
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.source.kind(), "static");
        assert_eq!(config.pool.cool_down, std::time::Duration::from_secs(5));
        let conflist = conflist(Path::new("/nowhere"), Some(&text)).unwrap();
        assert_eq!(conflist, Some("/etc/cni/net.d/10-podnet.conflist".into()));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn what_the_daemon_would_refuse_is_refused_by_name() {
        for (words, part) in [
            (&["source.kind"][..], "source.kind is not MEMBER=VALUE"),
            (&["source.kind=imds", "source.kind=static"], "source.kind is set twice"),
            (&["source=imds", "source.kind=static"], "source.kind is set twice"),
            (&["source.kind=dhcp"], "there is no source \"dhcp\""),
            (&["pool.batchSize=x", "source.kind=imds"], "pool.batchSize"),
        ] {
            let error = of(words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
