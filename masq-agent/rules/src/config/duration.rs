//! Durations as Go writes them: `60s`, `1h15m30.5s`.

use std::time::Duration;

const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Reads a duration by the grammar of Go's `time.ParseDuration`; one below zero is none at all. None: not a duration,
/// or one that is too long to be counted.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0;
    while seconds == 0.0 || !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) =
            after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    if negative { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        let good =
            [("60s", 60.0), ("1h15m30.5s", 4530.5), ("5m", 300.0), ("100ms", 0.1), ("0", 0.0), ("0s", 0.0)];
        for (text, seconds) in good {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text:?}");
        }
        assert_eq!(parse("-5s"), Some(Duration::ZERO));
    }

    #[test]
    fn others() {
        for text in
            ["", "60", "60sec", "s", "1 s", "1s ", ".s", "1..2s", "0s0", "1e3s", "9999999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
