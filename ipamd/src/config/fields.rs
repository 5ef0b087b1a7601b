//! Taking members out of a document, one after the other: what is wrong with one does not hide what is wrong with
//! the next.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::document::{Member, Node, Value};

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, counted from 1; 0 where it is the whole file.
    pub line: u64,
    /// The member, as in `pool.coolDown`; empty where it is the whole file.
    pub field: String,
    /// What is wrong, in words.
    pub says: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.field.as_str()) {
            (0, "") => write!(formatter, "{}", self.says),
            (0, field) => write!(formatter, "{field}: {}", self.says),
            (line, "") => write!(formatter, "line {line}: {}", self.says),
            (line, field) => write!(formatter, "line {line}: {field}: {}", self.says),
        }
    }
}

/// The members of one map that are not taken yet.
#[derive(Debug)]
pub(super) struct Fields {
    path: String,
    /// Where the map begins.
    pub(super) line: u64,
    members: Vec<Member>,
    known: Vec<&'static str>,
}

/// How a value is read: what is expected instead, where it is another.
pub(super) type Reader<T> = fn(&Node) -> Result<T, String>;

impl Fields {
    /// The members of `node`; a problem where it is no map.
    pub(super) fn of(path: &str, node: Node, problems: &mut Vec<Problem>) -> Self {
        let line = node.line;
        let members = match node.value {
            Value::Map(members) => members,
            Value::Null => Vec::new(),
            other => {
                let says = format!("{other} is no map");
                problems.push(Problem { line, field: path.to_owned(), says });
                Vec::new()
            }
        };
        Self { path: path.to_owned(), line, members, known: Vec::new() }
    }

    /// The full name of a member.
    pub(super) fn name_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The member as it stands there. One that is null counts as absent.
    pub(super) fn node(&mut self, name: &'static str) -> Option<Node> {
        self.known.push(name);
        let at = self.members.iter().position(|member| member.name == name)?;
        Some(self.members.remove(at).node).filter(|node| node.value != Value::Null)
    }

    /// The member as `read` reads it; absent also where it is wrong, which is noted.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        read: Reader<T>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let node = self.node(name)?;
        let noted = |says| problems.push(Problem { line: node.line, field: self.name_of(name), says });
        read(&node).map_err(noted).ok()
    }

    /// Every item of a list, with its line and its full name; wrong ones are noted and left out.
    pub(super) fn take_list<T>(
        &mut self,
        name: &'static str,
        read: Reader<T>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Placed<T>> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let field = self.name_of(name);
        let Value::List(items) = node.value else {
            problems.push(Problem { line: node.line, field, says: format!("{} is no list", node.value) });
            return Vec::new();
        };
        let mut read_items = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let (line, field) = (item.line, format!("{field}[{index}]"));
            match read(&item) {
                Ok(value) => read_items.push(Placed { value, line, field }),
                Err(says) => problems.push(Problem { line, field, says }),
            }
        }
        read_items
    }

    /// Notes that a member is not there, unless something else is wrong with it.
    pub(super) fn missing(&self, name: &str, problems: &mut Vec<Problem>) {
        let field = self.name_of(name);
        if !problems.iter().any(|problem| problem.field == field) {
            problems.push(Problem { line: self.line, field, says: "is missing".to_owned() });
        }
    }

    /// Notes the members that nothing took.
    pub(super) fn finish(self, problems: &mut Vec<Problem>) {
        for member in &self.members {
            let says = format!("unknown; known here: {}", self.known.join(", "));
            problems.push(Problem { line: member.line, field: self.name_of(&member.name), says });
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) line: u64,
    pub(super) field: String,
}

pub(super) fn text(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Text(text) if !text.is_empty() => Ok(text.clone()),
        Value::Text(_) => Err("is empty".to_owned()),
        other => Err(format!("{other} is no text")),
    }
}

pub(super) fn absolute_path(node: &Node) -> Result<PathBuf, String> {
    let path = PathBuf::from(text(node)?);
    if path.is_absolute() { Ok(path) } else { Err(format!("{} is no absolute path", path.display())) }
}

pub(super) fn boolean(node: &Node) -> Result<bool, String> {
    match node.value {
        Value::Bool(value) => Ok(value),
        ref other => Err(format!("{other} is neither true nor false")),
    }
}

pub(super) fn whole(node: &Node) -> Result<u32, String> {
    match node.value {
        Value::Whole(number) => u32::try_from(number).ok().ok_or_else(|| format!("{number} is out of range")),
        ref other => Err(format!("{other} is no whole number")),
    }
}

/// A whole number that is not 0.
pub(super) fn positive(node: &Node) -> Result<u32, String> {
    whole(node).and_then(|number| if number == 0 { Err("0 is too small".to_owned()) } else { Ok(number) })
}

pub(super) fn address(node: &Node) -> Result<IpAddr, String> {
    let text = text(node)?;
    text.parse().ok().ok_or_else(|| format!("{text:?} is no IP address"))
}

pub(super) fn socket_address(node: &Node) -> Result<SocketAddr, String> {
    let text = text(node)?;
    text.parse().ok().ok_or_else(|| format!("{text:?} is no address and port, as in 127.0.0.1:10092"))
}

/// A network without host bits.
pub(super) fn network(node: &Node) -> Result<IpNet, String> {
    let text = text(node)?;
    let net: IpNet =
        text.parse().ok().ok_or_else(|| format!("{text:?} is no network, as in 10.224.1.0/24"))?;
    if net.addr() == net.network() {
        Ok(net)
    } else {
        Err(format!("{net} has host bits set: the network is {}", net.trunc()))
    }
}

/// A duration as Go writes it: `30s`, `1m30s`, `500ms`.
pub(super) fn duration(node: &Node) -> Result<Duration, String> {
    let Value::Text(text) = &node.value else {
        return Err(format!("{} is no duration: it needs a unit, as in 30s or 5m", node.value));
    };
    parse_duration(text).ok_or_else(|| format!("{text:?} is no duration, as in 30s, 1m30s or 500ms"))
}

/// A duration between two looks at something: never so short that it would be looked at without pause.
pub(super) fn interval(node: &Node) -> Result<Duration, String> {
    let interval = duration(node)?;
    let least = Duration::from_millis(100);
    if interval < least { Err(format!("{interval:?} is less than {least:?}")) } else { Ok(interval) }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|letter: char| letter.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(milliseconds)?;
        total = total.checked_add(Duration::from_millis(part))?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let seconds = |seconds| Some(Duration::from_millis(seconds));
        for (text, expected) in [
            ("30s", seconds(30_000)),
            ("1m30s", seconds(90_000)),
            ("500ms", seconds(500)),
            ("0s", seconds(0)),
            ("", None),
            ("30", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
