//! Kubernetes quantities: `10M`, `1.5Gi`, `2e6`.

/// More digits than any sensible number of bits a second has, and few enough for `u128`.
const MOST_DIGITS: usize = 20;

/// The value of a quantity as a whole number, rounded up as Kubernetes does; what is negative reads as 0 and what is
/// beyond `u64` as its largest. `None` where the text is no quantity, or one of more than twenty digits.
///
/// Source: the grammar at `Quantity` in Kubernetes' `apimachinery/pkg/api/resource/quantity.go`.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.len() > MOST_DIGITS {
        return None;
    }
    // Fails for no digits and for a second point.
    let number: u128 = digits.parse().ok()?;
    let (binary, decimal) = scale(suffix)?;
    let decimal = decimal.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    Some(if is_negative { 0 } else { scaled(number << binary, decimal) })
}

/// What a suffix multiplies by: the exponents of two and of ten.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// `number` × 10^`decimal`, rounded up.
fn scaled(number: u128, decimal: i32) -> u64 {
    // A power that is too large for the type is larger than any number here.
    let power = 10_u128.checked_pow(decimal.unsigned_abs()).unwrap_or(u128::MAX);
    let value = if decimal < 0 { number.div_ceil(power) } else { number.saturating_mul(power) };
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn suffixes_and_exponents_scale() {
        for (text, value) in [
            ("10M", 10_000_000),
            ("1", 1),
            ("+1k", 1_000),
            ("1Ki", 1_024),
            ("1.5G", 1_500_000_000),
            (".5k", 500),
            ("5.", 5),
            ("1E", 1_000_000_000_000_000_000),
            ("1E3", 1_000),
            ("1e3", 1_000),
            ("1e+3", 1_000),
            ("1500e-3", 2),
            ("1Ei", 1 << 60),
            ("0", 0),
            ("-5M", 0),
            ("1m", 1),
            ("1000m", 1),
            ("1001m", 2),
            ("1e-999999999", 1),
            ("1e999999999", u64::MAX),
            ("0e999999999", 0),
            ("99999999999999999999", u64::MAX),
            ("99999999999999999999Ei", u64::MAX),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "M",
            ".",
            "1.2.3",
            "10 M",
            " 10M",
            "10M ",
            "10MB",
            "10mb",
            "10K",
            "ten",
            "0x10",
            "1e",
            "1e1.5",
            "--1",
            "1e99999999999",
            "100000000000000000000",
            "１",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn thousandths_are_rounded_up(number in 0_u64..1 << 50) {
            prop_assert_eq!(parse(&format!("{number}m")), Some(number.div_ceil(1000)));
            let (whole, thousandths) = (number / 1000, number % 1000);
            prop_assert_eq!(parse(&format!("{whole}.{thousandths:03}M")), Some(number * 1000));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+]?[0-9.]{0,24}[a-zA-Z]{0,2}[-+]?[0-9]{0,12}") {
            let is_negative = text.starts_with('-');
            prop_assert!(parse(&text).is_none_or(|value| !is_negative || value == 0));
        }
    }
}
