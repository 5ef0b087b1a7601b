//! One configuration file: what it says, and what is wrong with it.

use std::collections::HashSet;
use std::time::Duration;

use ipnet::IpNet;

use super::document::{Member, Value, members};
use super::finding::{Finding, Problem};
use super::{duration, nearest};
use crate::cidr;

/// Bytes that a file may have: what fits in a `ConfigMap`.
pub const SIZE_LIMIT: usize = 1 << 20;

/// Ranges that a file may list where it does not say otherwise: upstream's limit.
const DEFAULT_LIMIT: u64 = 64;

/// The shortest interval of full checks.
const SHORTEST_RESYNC: Duration = Duration::from_secs(1);

const RANGES: &str = "nonMasqueradeCIDRs";
const LINK_LOCAL: &str = "masqLinkLocal";
const LINK_LOCAL_V6: &str = "masqLinkLocalIPv6";
const RESYNC: &str = "resyncInterval";
const LIMIT: &str = "cidrLimit";
const KEYS: [&str; 5] = [RANGES, LINK_LOCAL, LINK_LOCAL_V6, RESYNC, LIMIT];

/// A file that can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The ranges.
    pub listed: Listed,
    /// `masqLinkLocal`.
    pub masq_link_local: bool,
    /// `masqLinkLocalIPv6`.
    pub masq_link_local_ipv6: bool,
    /// `resyncInterval`, at least a second.
    pub resync_interval: Option<Duration>,
}

/// What a file says about ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Listed {
    /// Nothing.
    #[default]
    Absent,
    /// These, each once, in the file's order; none where the file says so.
    Ranges(Vec<IpNet>),
}

/// A file that was read: None where it has a fatal finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it says.
    pub file: Option<File>,
    /// What is wrong or odd with it, by line.
    pub findings: Vec<Finding>,
}

/// Reads a file's bytes. `ipv6`: whether IPv6 ranges are wanted at all.
pub fn read(bytes: &[u8], ipv6: bool) -> Reading {
    let mut reader = Reader { ipv6, file: File::default(), limit: DEFAULT_LIMIT, findings: Vec::new() };
    match text(bytes).and_then(members) {
        Ok(members) => reader.members(members),
        Err(finding) => reader.findings.push(finding),
    }
    reader.findings.sort_by_key(|finding| finding.line);
    let is_bad = reader.findings.iter().any(|finding| finding.problem.is_fatal());
    Reading { file: (!is_bad).then_some(reader.file), findings: reader.findings }
}

fn text(bytes: &[u8]) -> Result<&str, Finding> {
    if bytes.len() > SIZE_LIMIT {
        return Err(Finding { line: 0, problem: Problem::TooLarge { limit: SIZE_LIMIT } });
    }
    std::str::from_utf8(bytes)
        .map_err(|error| Finding { line: 0, problem: Problem::NotUtf8 { valid: error.valid_up_to() } })
}

struct Reader {
    ipv6: bool,
    file: File,
    limit: u64,
    findings: Vec<Finding>,
}

impl Reader {
    fn find(&mut self, line: u64, problem: Problem) {
        self.findings.push(Finding { line, problem });
    }

    fn members(&mut self, members: Vec<Member>) {
        let has_ranges = members.iter().any(|member| member.key.eq_ignore_ascii_case(RANGES));
        let mut seen = HashSet::new();
        let mut listed = None;
        for member in members {
            let Member { key, line, value } = member;
            if !seen.insert(key.to_ascii_lowercase()) {
                self.find(line, Problem::RepeatedKey { key: key.clone() });
            }
            match KEYS.into_iter().find(|known| known.eq_ignore_ascii_case(&key)) {
                Some(RANGES) => listed = Some((line, value)),
                Some(LINK_LOCAL) => self.file.masq_link_local = self.boolean(LINK_LOCAL, line, &value),
                Some(LINK_LOCAL_V6) => {
                    self.file.masq_link_local_ipv6 = self.boolean(LINK_LOCAL_V6, line, &value);
                }
                Some(RESYNC) => self.file.resync_interval = self.interval(line, &value),
                Some(LIMIT) => self.limit(line, &value),
                _ => match nearest::nearest(&key, &KEYS) {
                    Some(RANGES) if !has_ranges => self.find(line, Problem::MistypedRanges { key }),
                    nearest => self.find(line, Problem::UnknownKey { key, nearest }),
                },
            }
        }
        // Last, because the limit may stand behind the list.
        if let Some((line, value)) = listed {
            self.file.listed = Listed::Ranges(self.ranges(line, &value));
        }
    }

    fn wrong_type(&mut self, key: &'static str, wanted: &'static str, line: u64, found: &Value) {
        self.find(line, Problem::WrongType { key, wanted, found: found.kind() });
    }

    /// As Go decodes: null leaves the default.
    fn boolean(&mut self, key: &'static str, line: u64, value: &Value) -> bool {
        match value {
            Value::Bool(value) => *value,
            Value::Null => false,
            other => {
                self.wrong_type(key, "true or false", line, other);
                false
            }
        }
    }

    fn interval(&mut self, line: u64, value: &Value) -> Option<Duration> {
        let interval = match value {
            Value::Null => return None,
            Value::Text(text) => duration::parse(text),
            _ => None,
        };
        let Some(interval) = interval else {
            let found = match value {
                Value::Text(text) => format!("{text:?}"),
                Value::Number(number) => number.clone(),
                other => other.kind().to_owned(),
            };
            self.find(line, Problem::NoDuration { found });
            return None;
        };
        if interval < SHORTEST_RESYNC {
            self.find(line, Problem::TooShort);
        }
        Some(interval.max(SHORTEST_RESYNC))
    }

    fn limit(&mut self, line: u64, value: &Value) {
        match value {
            Value::Null => {}
            Value::Number(number) if number.parse::<u64>().is_ok() => {
                self.limit = number.parse().unwrap_or(DEFAULT_LIMIT);
            }
            other => self.wrong_type(LIMIT, "a number from 0", line, other),
        }
    }

    fn ranges(&mut self, line: u64, value: &Value) -> Vec<IpNet> {
        let items = match value {
            Value::Null => &[][..],
            Value::List(items) => items,
            other => {
                self.wrong_type(RANGES, "a list of ranges", line, other);
                return Vec::new();
            }
        };
        let found = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if found == 0 {
            self.find(line, Problem::NoRanges);
        } else if found > self.limit {
            self.find(line, Problem::TooMany { limit: self.limit, found });
        }
        let mut ranges = Vec::new();
        for (line, item) in items {
            if let Some(range) = self.range(*line, item) {
                ranges.push((*line, range));
            }
        }
        self.overlaps(&ranges);
        let mut seen = HashSet::new();
        ranges.into_iter().map(|(_, range)| range).filter(|range| seen.insert(*range)).collect()
    }

    fn range(&mut self, line: u64, item: &Value) -> Option<IpNet> {
        let text = match item {
            Value::Text(text) => text,
            Value::Null => {
                self.find(line, Problem::NullItem);
                return None;
            }
            other => {
                self.wrong_type(RANGES, "a list of ranges", line, other);
                return None;
            }
        };
        match cidr::parse(text) {
            Ok(range @ IpNet::V6(_)) if !self.ipv6 => {
                self.find(line, Problem::Ipv6Disabled { range });
                None
            }
            Ok(range) => {
                if range.prefix_len() == 0 {
                    self.find(line, Problem::DefaultRoute { range });
                }
                Some(range)
            }
            Err(error) => {
                self.find(line, error.into());
                None
            }
        }
    }

    /// Two ranges either nest or have nothing in common, so that sorted by address, wide before narrow, each is inside
    /// one of those that are still open.
    fn overlaps(&mut self, ranges: &[(u64, IpNet)]) {
        let mut sorted: Vec<_> = ranges.iter().collect();
        sorted.sort_by_key(|(line, range)| (range.network(), range.prefix_len(), *line));
        let mut open: Vec<IpNet> = Vec::new();
        for &&(line, range) in &sorted {
            while open.last().is_some_and(|outer| !outer.contains(&range)) {
                open.pop();
            }
            match open.last() {
                Some(outer) if *outer == range => self.find(line, Problem::Duplicate { range }),
                Some(outer) => self.find(line, Problem::Overlap { range, outer: *outer }),
                None => {}
            }
            open.push(range);
        }
    }
}
