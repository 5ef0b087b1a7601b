//! The words of a line that iptables prints: separated by spaces, quoted where they hold others.

/// Splits a line as iptables-restore does: double quotes hold words together, and between them a backslash takes the
/// next character as it is. None: a quote that does not end.
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => word.get_or_insert_default().push(characters.next()?),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' | '\n' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word.take());
    (!quoted).then_some(words)
}

/// Puts words together again so that [`split`] gives them back. None: a word holds a control character, which no line
/// of a transaction may.
pub fn join(words: &[String]) -> Option<String> {
    let quoted = words.iter().map(|word| quote(word)).collect::<Option<Vec<_>>>()?;
    Some(quoted.join(" "))
}

fn quote(word: &str) -> Option<String> {
    if word.chars().any(char::is_control) {
        return None;
    }
    let is_plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\'' | '\\');
    if !word.is_empty() && word.chars().all(is_plain) {
        return Some(word.to_owned());
    }
    Some(format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_quotes() {
        let words = split(r#"-A X --comment "a b" --comment "\"q\"" ! -d 1.2.3.4 """#).unwrap();
        assert_eq!(words, ["-A", "X", "--comment", "a b", "--comment", "\"q\"", "!", "-d", "1.2.3.4", ""]);
        assert_eq!(split("a \"b"), None);
    }

    #[test]
    fn no_line_is_broken() {
        assert_eq!(join(&["a\nCOMMIT".to_owned()]), None);
    }

    proptest! {
        #[test]
        fn joined_words_are_split_again(words in prop::collection::vec("[^\\p{Cc}]{0,12}", 0..6)) {
            prop_assert_eq!(split(&join(&words).unwrap()).unwrap(), words);
        }
    }
}
