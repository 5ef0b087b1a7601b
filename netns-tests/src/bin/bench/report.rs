//! The figures as Markdown.

use std::fmt::Write as _;
use std::fs;

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::samples::{Samples, Times};
use podnet_netns_tests::subject::Family;

use crate::contestant::Who;
use crate::measure::Figures;
use crate::promise::{Promise, milliseconds};

/// The whole document.
pub(crate) fn markdown(figures: &Figures, promises: &[Promise]) -> Result<String, Failure> {
    let mut text = String::new();
    writeln!(text, "# Benchmark\n")?;
    writeln!(
        text,
        "Written by `make bench`. The ratios are the result; the times are those of one machine:\n{}\n",
        machine()?
    )?;
    writeln!(
        text,
        "`reference` is the chain of the reference plugins 1.9.1, `bridge` and `host-local`; in the rows of the\n\
         chain `portmap` and `bandwidth` too, with a host port and limits in both directions. `floor` makes the same"
    )?;
    writeln!(
        text,
        "links, addresses and routes with bare netlink messages and keeps no account of addresses.\n"
    )?;
    writeln!(text, "## Promises\n\n| | found | at most | |\n|---|---:|---:|---|")?;
    for promise in promises {
        let Promise { what, found, limit, unit, kept } = promise;
        let mark = if *kept { "kept" } else { "**missed**" };
        writeln!(text, "| {what} | {found:.2} {unit} | {limit:.2} {unit} | {mark} |")?;
    }
    writeln!(
        text,
        "\n## Times in milliseconds: median (90th percentile)\n\n| | reference | podnet | floor |\n|---|---:|---:|---:|"
    )?;
    for (family, times) in &figures.single {
        let row = |pick: fn(&Times) -> &Samples| Who::ALL.map(|who| times.get(&who).map(pick));
        table_row(&mut text, &titled("ADD", *family), row(|times| &times.add))?;
        table_row(&mut text, &titled("DEL", *family), row(|times| &times.del))?;
        table_row(&mut text, &titled("CPU of both", *family), row(|times| &times.cpu))?;
    }
    let burst = Who::ALL.map(|who| figures.burst.get(&who));
    table_row(&mut text, "60 ADDs by 16 workers", burst.map(|samples| samples.map(|(adds, _)| adds)))?;
    table_row(&mut text, "60 DELs by 16 workers", burst.map(|samples| samples.map(|(_, dels)| dels)))?;
    let pods = Who::ALL.map(|who| figures.pods.get(&who));
    table_row(&mut text, "ADD on an empty bridge", pods.map(|times| times.map(|(empty, _)| &empty.add)))?;
    table_row(&mut text, "ADD among 900 pods", pods.map(|times| times.map(|(_, full)| &full.add)))?;
    table_row(&mut text, "DEL on an empty bridge", pods.map(|times| times.map(|(empty, _)| &empty.del)))?;
    table_row(&mut text, "DEL among 900 pods", pods.map(|times| times.map(|(_, full)| &full.del)))?;
    let counted = Who::ALL.map(|who| figures.reservations.get(&who));
    table_row(&mut text, "ADD with no reservations", counted.map(|times| times.map(|(few, _)| &few.add)))?;
    table_row(
        &mut text,
        "ADD with 20,000 reservations",
        counted.map(|times| times.map(|(_, many)| &many.add)),
    )?;
    table_row(
        &mut text,
        "DEL with 20,000 reservations",
        counted.map(|times| times.map(|(_, many)| &many.del)),
    )?;
    let chain = &figures.chain;
    let single = Who::ALL.map(|who| chain.single.get(&who));
    table_row(&mut text, "ADD, chain", single.map(|times| times.map(|times| &times.add)))?;
    table_row(&mut text, "DEL, chain", single.map(|times| times.map(|times| &times.del)))?;
    table_row(&mut text, "CPU of both, chain", single.map(|times| times.map(|times| &times.cpu)))?;
    let burst = Who::ALL.map(|who| chain.burst.get(&who));
    table_row(&mut text, "60 ADDs by 16 workers, chain", burst.map(|samples| samples.map(|(adds, _)| adds)))?;
    table_row(&mut text, "60 DELs by 16 workers, chain", burst.map(|samples| samples.map(|(_, dels)| dels)))?;
    let (none, many) = &chain.ports;
    for (title, times) in [("no", none), ("1,000", many)] {
        table_row(
            &mut text,
            &format!("ADD among {title} host ports, chain"),
            [None, Some(&times.add), None],
        )?;
        table_row(
            &mut text,
            &format!("DEL among {title} host ports, chain"),
            [None, Some(&times.del), None],
        )?;
    }
    writeln!(
        text,
        "\n## Through a host port, from another node: the best of several rounds\n\n| | connections a second | Gbit/s |\n|---|---:|---:|"
    )?;
    for (who, traffic) in &figures.traffic {
        let (connections, gigabits) = (traffic.connections(), traffic.bits() / 1e9);
        writeln!(text, "| {} | {connections:.0} | {gigabits:.2} |", who.title())?;
    }
    write!(text, "\nPeak resident set:")?;
    for (who, kib) in &figures.rss_kib {
        write!(text, " {} {kib} KiB;", who.title())?;
    }
    writeln!(text, " podnet's binary: {} bytes.", figures.binary)?;
    Ok(text)
}

fn titled(what: &str, family: Family) -> String {
    format!("{what}, {}", if family == Family::Dual { "dual stack" } else { "IPv4" })
}

fn table_row(text: &mut String, title: &str, columns: [Option<&Samples>; 3]) -> Result<(), Failure> {
    write!(text, "| {title} |")?;
    for column in columns {
        match column {
            Some(samples) => {
                let (median, high) = (samples.percentile(50), samples.percentile(90));
                write!(text, " {:.2} ({:.2}) |", milliseconds(median), milliseconds(high))?;
            }
            None => write!(text, " |")?,
        }
    }
    writeln!(text)?;
    Ok(())
}

fn machine() -> Result<String, Failure> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" an unnamed processor");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").doing("the kernel's release")?;
    let date = tool(&["date", "-u", "+%Y-%m-%d"])?;
    Ok(format!("{model}, {cores} cores, Linux {}, {}.", kernel.trim(), date.trim()))
}
