//! A benchmark's measures as a section of the report.

use std::fmt::Write as _;
use std::fs;

use crate::failure::{Context as _, Failure};

/// One measure and its promise.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is measured.
    pub what: &'static str,
    /// The figure.
    pub found: f64,
    /// The promised one.
    pub limit: f64,
    /// What both are measured in; empty for a ratio.
    pub unit: &'static str,
    /// More is better.
    pub at_least: bool,
}

impl Row {
    /// Whether the promise was kept.
    pub fn kept(&self) -> bool {
        if self.at_least { self.found >= self.limit } else { self.found <= self.limit }
    }
}

/// The measures under a title, as Markdown.
pub fn section(title: &str, rows: &[Row]) -> Result<String, Failure> {
    let mut text = format!("{title}\n\n| | found | promised | |\n|---|---:|---:|---|\n");
    for row in rows {
        let bound = if row.at_least { "at least" } else { "at most" };
        let mark = if row.kept() { "kept" } else { "**missed**" };
        let Row { what, found, limit, unit, .. } = row;
        let digits = if limit.fract() == 0.0 { 0 } else { 2 };
        writeln!(text, "| {what} | {found:.2} {unit} | {bound} {limit:.digits$} {unit} | {mark} |")?;
    }
    Ok(text)
}

/// Puts the section behind those of the benchmarks that come before it in a run, in place of what was there.
pub fn write_section(file: &str, title: &str, text: &str) -> Result<(), Failure> {
    let whole = fs::read_to_string(file).unwrap_or_default();
    let before = whole.split_once(title).map_or(whole.as_str(), |(before, _)| before).trim_end();
    fs::write(file, format!("{before}\n\n{text}")).doing(file)
}
