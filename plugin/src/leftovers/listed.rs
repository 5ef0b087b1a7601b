//! A given list of living containers: one id a line, or JSON.
//!
//! JSON is an array of ids or of attachments as GC gets them (`containerID`, `ifname`), or an object that has such an array
//! as `cni.dev/valid-attachments`. An empty text is no list: a command that failed prints nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use super::judge::Verdict;
use super::traces::Trace;

/// Who is not in the list.
const UNLISTED: &str = "it is not in the given list";

/// The shortest beginning that tools print of an id.
const SHORTEST: usize = 12;

const MEMBERS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// The living.
#[derive(Debug)]
pub(crate) struct Listed {
    entries: Vec<Living>,
    /// When the list was made.
    made: SystemTime,
}

#[derive(Debug, PartialEq, Eq)]
struct Living {
    container_id: String,
    /// `None`: all of the container's interfaces.
    ifname: Option<String>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// It cannot be read.
    #[error("cannot read the list")]
    Read(#[source] io::Error),
    /// There is nothing in it.
    #[error("the list is empty: an empty JSON array says that no container is alive")]
    Empty,
    /// It is neither ids nor attachments.
    #[error("the list is neither ids, one a line, nor a JSON array of ids or attachments")]
    Malformed(#[source] Option<serde_json::Error>),
}

impl Listed {
    /// Reads the list; `-` is stdin.
    pub(crate) fn read(file: &Path) -> Result<Self, ListError> {
        let mut made = SystemTime::now();
        let mut text = String::new();
        if file == Path::new("-") {
            io::stdin().lock().read_to_string(&mut text).map_err(ListError::Read)?;
        } else {
            let mut file = File::open(file).map_err(ListError::Read)?;
            let modified = file.metadata().and_then(|metadata| metadata.modified());
            made = made.min(modified.map_err(ListError::Read)?);
            file.read_to_string(&mut text).map_err(ListError::Read)?;
        }
        Ok(Self { entries: parse(&text)?, made })
    }

    /// Judges by the list alone; what came after it was made is alive.
    pub(super) fn judge(&self, trace: &Trace) -> Verdict {
        let is_new = trace.since.is_some_and(|since| since >= self.made);
        let names = |entry: &Living| {
            entry.names(&trace.key.container_id)
                && (entry.ifname.is_none() || trace.key.ifname.is_none() || entry.ifname == trace.key.ifname)
        };
        if trace.is_worked_on || is_new || self.entries.iter().any(names) {
            Verdict::Alive
        } else {
            Verdict::Dead(UNLISTED)
        }
    }
}

impl Living {
    fn names(&self, container_id: &str) -> bool {
        container_id == self.container_id
            || (self.container_id.len() >= SHORTEST && container_id.starts_with(&self.container_id))
    }
}

fn parse(text: &str) -> Result<Vec<Living>, ListError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ListError::Empty);
    }
    if text.starts_with(['[', '{']) {
        return json(&serde_json::from_str(text).map_err(|error| ListError::Malformed(Some(error)))?);
    }
    let living = |line: &str| match line.trim() {
        id if id.contains(char::is_whitespace) => Err(ListError::Malformed(None)),
        id => Ok(Living { container_id: id.to_owned(), ifname: None }),
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(living).collect()
}

fn json(value: &Value) -> Result<Vec<Living>, ListError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Id(String),
        Attachment {
            #[serde(rename = "containerID")]
            container_id: String,
            ifname: Option<String>,
        },
    }
    let list = match value {
        Value::Object(members) => {
            MEMBERS.iter().find_map(|name| members.get(*name)).ok_or(ListError::Malformed(None))?
        }
        list => list,
    };
    let entries = Vec::<Entry>::deserialize(list).map_err(|error| ListError::Malformed(Some(error)))?;
    let living = entries.into_iter().map(|entry| match entry {
        Entry::Id(container_id) => Living { container_id, ifname: None },
        Entry::Attachment { container_id, ifname } => Living { container_id, ifname },
    });
    Ok(living.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        parse(text).unwrap().into_iter().map(|entry| entry.container_id).collect()
    }

    #[test]
    fn every_form_names_the_living() {
        for text in [
            "a\nb\n",
            " a \r\n\n b",
            r#"["a", "b"]"#,
            r#"[{"containerID": "a", "ifname": "eth0"}, "b"]"#,
            r#"{"cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}, {"containerID": "b"}]}"#,
        ] {
            assert_eq!(ids(text), ["a", "b"], "{text}");
        }
        assert!(ids("[]").is_empty());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(matches!(parse(" \n"), Err(ListError::Empty)));
        for text in ["[", "{}", "[1]", r#"[{"ifname": "eth0"}]"#, "CONTAINER IMAGE\na b"] {
            assert!(matches!(parse(text), Err(ListError::Malformed(_))), "{text}");
        }
    }

    fn trace(since: SystemTime) -> Trace {
        let mut trace = Trace::new("0123456789abcdef", Some("eth0"));
        trace.since = Some(since);
        trace
    }

    #[test]
    fn a_beginning_of_an_id_names_it_and_another_interface_does_not() {
        let made = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
        let old = trace(SystemTime::UNIX_EPOCH);
        for (text, lives) in [
            ("0123456789abcdef", true),
            ("0123456789ab", true),
            ("0123456789a", false),
            ("0123456789abcdef0", false),
            (r#"[{"containerID": "0123456789abcdef", "ifname": "eth1"}]"#, false),
            (r#"[{"containerID": "0123456789abcdef", "ifname": "eth0"}]"#, true),
        ] {
            let listed = Listed { entries: parse(text).unwrap(), made };
            assert_eq!(listed.judge(&old) == Verdict::Alive, lives, "{text}");
        }
        let nobody = Listed { entries: Vec::new(), made };
        assert_eq!(nobody.judge(&old), Verdict::Dead(UNLISTED));
        assert_eq!(nobody.judge(&trace(made)), Verdict::Alive);
        assert_eq!(nobody.judge(&Trace { is_worked_on: true, ..old }), Verdict::Alive);
    }
}
