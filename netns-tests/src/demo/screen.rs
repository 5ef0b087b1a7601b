//! What the reader sees: chapters, command lines, what they returned. Plain text, with colours on a terminal only.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Stdout, Write as _};

/// How a piece of text stands out: parameters of the terminal's SGR sequence (ECMA-48 §8.3.117).
#[derive(Debug, Clone, Copy)]
enum Style {
    Heading,
    Command,
    Good,
    Refused,
    Quiet,
}

impl Style {
    fn parameters(self) -> &'static str {
        match self {
            Self::Heading => "1;36",
            Self::Command => "1",
            Self::Good => "32",
            Self::Refused => "33",
            Self::Quiet => "2",
        }
    }
}

/// Columns of a message; the rest is as wide as it is.
const WIDTH: usize = 100;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
    colours: bool,
}

impl Screen {
    /// With colours where standard output is a terminal that shows them and `NO_COLOR` (no-color.org) is not set.
    pub(crate) fn new() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let shows_them = env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        let out = io::stdout();
        let colours = out.is_terminal() && shows_them && !is_set("NO_COLOR");
        Self { out, colours }
    }

    /// A chapter begins.
    pub(crate) fn heading(&self, text: &str) -> io::Result<()> {
        writeln!(self.out.lock(), "\n{}", self.styled(Style::Heading, text))
    }

    /// A remark in prose, one or more lines.
    pub(crate) fn note(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out.lock(), "  {}", self.styled(Style::Quiet, line)))
    }

    /// A command line as it would be typed.
    pub(crate) fn command(&self, line: &str) -> io::Result<()> {
        let prompt = self.styled(Style::Quiet, "$");
        writeln!(self.out.lock(), "  {prompt} {}", self.styled(Style::Command, line))
    }

    /// What a command printed, line by line.
    pub(crate) fn output(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out.lock(), "    {line}"))
    }

    /// Something that held.
    pub(crate) fn good(&self, text: impl Display) -> io::Result<()> {
        writeln!(self.out.lock(), "    {}", self.styled(Style::Good, &format!("✓ {text}")))
    }

    /// A refusal that was to be: what was answered, one line a clause.
    pub(crate) fn refused<'a>(&self, clauses: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let lines = clauses.into_iter().flat_map(|clause| wrapped(clause, WIDTH));
        for (number, line) in lines.enumerate() {
            let mark = if number == 0 { "✗" } else { " " };
            writeln!(self.out.lock(), "    {}", self.styled(Style::Refused, &format!("{mark} {line}")))?;
        }
        Ok(())
    }

    /// Rows under a head, the columns aligned; all columns but the first to the right where `numbers`.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<String>], numbers: bool) -> io::Result<()> {
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
                cells.chain(head.get(column).copied()).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if numbers && column > 0 { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            padded.collect::<Vec<_>>().join("   ").trim_end().to_owned()
        };
        writeln!(self.out.lock(), "    {}", self.styled(Style::Quiet, &line(&mut head.iter().copied())))?;
        for row in rows {
            writeln!(self.out.lock(), "    {}", line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", style.parameters()) } else { text.to_owned() }
    }
}

/// The words of `text` in lines of at most `width` columns, those after the first indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_no_word_is_lost() {
        assert_eq!(wrapped("one two three four", 9), ["one two", "  three", "  four"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert!(wrapped("", 3).is_empty());
    }
}
