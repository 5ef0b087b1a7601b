//! `cleanup`: no trace of the agent at any place, in either family.

use std::fmt::Write as _;

use super::{Outcome, exit_of, texts};
use crate::firewall::detect;
use crate::keeper::remove_all;
use crate::settings::Settings;

/// Removes the rules and says which.
pub(crate) fn cleanup(settings: &Settings) -> Outcome {
    let places = match detect::detect(settings.backend, &settings.chain) {
        Ok(places) => places,
        Err(error) => return Outcome::no_backend(&error),
    };
    let all = [places.chosen].into_iter().chain(places.others).collect();
    let round = remove_all(all, &settings.chain);
    let mut text = String::new();
    for (place, family) in &round.removed {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "removed the {family} rules of {place}");
    }
    if text.is_empty() && round.errors.is_empty() {
        text.push_str("nothing to remove\n");
    }
    Outcome { text, errors: texts(&round.errors), exit: exit_of(&round.errors) }
}
