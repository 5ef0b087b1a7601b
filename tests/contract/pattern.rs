//! Texts with holes: `<<name>>` stands for whatever is there, the same wherever the name appears; `<<*>>` for anything.

use std::collections::BTreeMap;

/// What stood in the named holes so far.
pub(crate) type Bindings = BTreeMap<String, String>;

enum Piece<'p> {
    Text(&'p str),
    Hole(&'p str),
}

/// Puts what is bound into `pattern`'s holes.
pub(crate) fn filled(pattern: &str, bindings: &Bindings) -> String {
    let text = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Hole(name) => bindings.get(name).cloned().unwrap_or_default(),
    };
    pieces(pattern).into_iter().map(text).collect()
}

/// Compares the whole of `text` and binds the holes met for the first time. A hole takes as little as it can.
pub(crate) fn matches(pattern: &str, text: &str, bindings: &mut Bindings) -> Result<(), String> {
    let known: Vec<Piece<'_>> = pieces(pattern);
    let mut bound = bindings.clone();
    if fits(&known, text, &mut bound) {
        *bindings = bound;
        return Ok(());
    }
    Err(format!("wanted  {pattern}\nbut got {text}\nwhere   {bindings:?}"))
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("<<") {
        let (name, later) = after.split_once(">>").expect("a hole that is not closed");
        pieces.extend([Piece::Text(before), Piece::Hole(name)]);
        rest = later;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn fits(pieces: &[Piece<'_>], text: &str, bindings: &mut Bindings) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Text(wanted), rest @ ..] => {
            text.strip_prefix(wanted).is_some_and(|after| fits(rest, after, bindings))
        }
        [Piece::Hole(name), rest @ ..] => match bindings.get(*name).cloned() {
            Some(known) => text.strip_prefix(&known).is_some_and(|after| fits(rest, after, bindings)),
            None => fits_somewhere(name, rest, text, bindings),
        },
    }
}

fn fits_somewhere(name: &str, rest: &[Piece<'_>], text: &str, bindings: &mut Bindings) -> bool {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    for end in ends {
        let (taken, after) = text.split_at(end);
        let mut tried = bindings.clone();
        if name != "*" {
            tried.insert(name.to_owned(), taken.to_owned());
        }
        // What a hole takes must not be tried out where the text behind it is not there.
        let is_near = matches!(rest, [Piece::Text(next), ..] if after.starts_with(next));
        if is_near && fits(rest, after, &mut tried) {
            *bindings = tried;
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_binds_and_then_must_be_the_same() {
        let mut bindings = Bindings::new();
        matches("a=<<a>>, b=<<b>>, a=<<a>>", "a=1, b=2, a=1", &mut bindings).unwrap();
        assert_eq!(filled("<<b>><<a>>", &bindings), "21");
        matches("<<a>>!", "2!", &mut bindings).unwrap_err();
        matches("x<<*>>y<<*>>", "xyyz", &mut bindings).unwrap();
        matches("x<<*>>y", "xyz", &mut bindings).unwrap_err();
        matches("", "x", &mut bindings).unwrap_err();
    }
}
