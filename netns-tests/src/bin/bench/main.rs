//! The benchmark: podnet against the reference plugins and against the floor, in one run of one harness.
//!
//! `bench [--rounds N] [--write FILE] [--strict]`, as root. What counts are the ratios: all contestants are started by
//! the same code, in turn, on one node with a bridge for each. With `--strict` a missed promise is a failure.

mod chain;
mod contestant;
mod measure;
mod promise;
mod report;
mod traffic;

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::sandbox;

/// The argument by which the program knows that it is in its sandbox.
const SANDBOXED: &str = "--sandboxed";

/// What was asked for.
#[derive(Debug)]
struct Options {
    rounds: usize,
    write: Option<String>,
    strict: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sandboxed = arguments.first().is_some_and(|argument| argument == SANDBOXED);
    let outcome = if sandboxed { bench(&arguments) } else { again_in_a_sandbox(&arguments) };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            // Nobody to tell when standard error is closed.
            let _closed = writeln!(std::io::stderr(), "bench: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

fn again_in_a_sandbox(arguments: &[String]) -> Result<ExitCode, Failure> {
    // A mistyped option is told before anything is set up.
    Options::parse(arguments)?;
    let arguments: Vec<&str> =
        std::iter::once(SANDBOXED).chain(arguments.iter().map(String::as_str)).collect();
    let status = sandbox::run_attached(&arguments)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bench(arguments: &[String]) -> Result<ExitCode, Failure> {
    let options = Options::parse(arguments.get(1..).unwrap_or_default())?;
    sandbox::enter()?;
    let figures = measure::everything(options.rounds)?;
    let promises = promise::judge(&figures);
    let text = report::markdown(&figures, &promises)?;
    writeln!(std::io::stdout(), "{text}")?;
    if let Some(file) = &options.write {
        fs::write(file, &text).doing(file)?;
    }
    let all_kept = promises.iter().all(|promise| promise.kept);
    Ok(if options.strict && !all_kept { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self { rounds: 40, write: None, strict: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--rounds" => {
                    let number: usize = rest.next().doing("--rounds needs a number")?.parse()?;
                    options.rounds = number.max(1);
                }
                "--write" => options.write = Some(rest.next().doing("--write needs a file")?.clone()),
                "--strict" => options.strict = true,
                other => {
                    let usage = "bench [--rounds N] [--write FILE] [--strict]";
                    return Err(Failure::failed(format!("unknown argument {other}; usage: {usage}")));
                }
            }
        }
        Ok(options)
    }
}
