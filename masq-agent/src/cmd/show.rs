//! `show`: the rules wanted, the rules found, and the difference.

use std::fmt::Write as _;

use podnet_masq_rules::{Family, Policy};
use serde_json::json;

use super::{Outcome, exit_of, texts};
use crate::configuration::{Configuration, decide};
use crate::exit::Exit;
use crate::firewall::FirewallError;
use crate::firewall::detect::{self, Places};
use crate::node::rule_sets;
use crate::settings::Settings;
use crate::source;

/// One family's rules.
struct View {
    family: Family,
    wanted: Vec<String>,
    found: Vec<String>,
    reasons: Vec<&'static str>,
}

/// Looks, and changes nothing.
pub(crate) fn show(settings: &Settings) -> Outcome {
    let mut places = match detect::detect(settings.backend, &settings.chain) {
        Ok(places) => places,
        Err(error) => return Outcome::no_backend(&error),
    };
    let found = decide(settings, source::read(&settings.config_dir), None, || kept(settings, &mut places));
    let (mut views, mut errors) = (Vec::new(), Vec::new());
    for wanted in rule_sets(settings, &found.policy) {
        let view = || -> Result<View, FirewallError> {
            let place = &mut places.chosen;
            Ok(View {
                family: wanted.family,
                wanted: place.wanted(&wanted),
                found: place.listing(wanted.family, &wanted.chain)?,
                reasons: place.look(&wanted)?.reasons,
            })
        };
        match { view }() {
            Ok(view) => views.push(view),
            Err(error) => errors.push(error),
        }
    }
    let left = leftovers(settings, &mut places);
    let text = if settings.json {
        as_json(&places, &found, &views, &left)
    } else {
        as_table(&places, &found, &views, &left)
    };
    let is_right = left.is_empty() && views.iter().all(|view| view.reasons.is_empty());
    let exit = match exit_of(&errors) {
        Exit::Done if !is_right => Exit::Different,
        exit => exit,
    };
    Outcome { text, errors: texts(&errors), exit }
}

/// As the agent would decide with a bad file.
fn kept(settings: &Settings, places: &mut Places) -> Option<Policy> {
    let mut exempted = Vec::new();
    for family in settings.families() {
        exempted.extend(places.chosen.exempted(family, &settings.chain).ok()??);
    }
    Some(Policy::of_exempted(exempted))
}

/// Places where rules of the agent are that do not belong there.
fn leftovers(settings: &Settings, places: &mut Places) -> Vec<String> {
    let mut left = Vec::new();
    for place in &mut places.others {
        for family in Family::ALL {
            let pending = place.look_for_removal(family, &settings.chain);
            if pending.is_ok_and(|pending| !pending.is_empty()) {
                left.push(format!("{} {family}", place.name()));
            }
        }
    }
    left
}

/// Lines of one side that the other has not: `-` found alone, `+` wanted alone.
fn difference(view: &View) -> Vec<String> {
    let alone = |lines: &[String], others: &[String], sign: char| -> Vec<String> {
        lines.iter().filter(|line| !others.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [alone(&view.found, &view.wanted, '-'), alone(&view.wanted, &view.found, '+')].concat()
}

fn as_json(places: &Places, found: &Configuration, views: &[View], left: &[String]) -> String {
    let families: Vec<_> = views
        .iter()
        .map(|view| {
            json!({
                "family": view.family.name(), "inForce": view.reasons.is_empty(), "reasons": view.reasons,
                "wanted": view.wanted, "found": view.found, "difference": difference(view),
            })
        })
        .collect();
    let reports: Vec<_> = found.reports.iter().map(ToString::to_string).collect();
    let ranges: Vec<_> = found.policy.ranges.iter().map(ToString::to_string).collect();
    let value = json!({
        "backend": places.chosen.name(), "because": places.because,
        "configuration": {"from": found.origin.to_string(), "good": found.is_good(), "problems": reports,
            "nonMasqueradeCIDRs": ranges, "masqLinkLocal": found.policy.masq_link_local,
            "masqLinkLocalIPv6": found.policy.masq_link_local_ipv6},
        "families": families, "leftovers": left,
    });
    format!("{value:#}\n")
}

fn as_table(places: &Places, found: &Configuration, views: &[View], left: &[String]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _infallible = writeln!(
        text,
        "backend:        {} ({})\nconfiguration:  {}",
        places.chosen.name(),
        places.because.trim(),
        found.origin
    );
    for report in &found.reports {
        let _infallible = writeln!(text, "                {report}");
    }
    for view in views {
        let state = if view.reasons.is_empty() { "in force".to_owned() } else { view.reasons.join(", ") };
        let _infallible = writeln!(text, "\n{}: {state}", view.family);
        for (title, lines) in
            [("wanted", &view.wanted), ("found", &view.found), ("difference", &difference(view))]
        {
            let _infallible = writeln!(text, "  {title}:");
            for line in lines {
                let _infallible = writeln!(text, "    {line}");
            }
        }
    }
    for place in left {
        let _infallible = writeln!(text, "\nleft behind, and overrides the rules above: {place}");
    }
    text
}
