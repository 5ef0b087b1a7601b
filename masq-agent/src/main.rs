//! The ip-masq agent: keeps the rules that decide which traffic leaves with the node's address.
//!
//! ```text
//!  files ──▶ configuration ──▶ policy ──▶ rule set ─┐
//!                                                   ├──▶ keeper: nothing, or one transaction ──▶ iptables, nft
//!  kernel ──▶ firewall: what is found ──────────────┘
//! ```
//!
//! What is decided from data is decided in `podnet-masq-rules`; here are the files, the programs, the notifications and
//! the commands.

mod agent;
mod args;
mod cmd;
mod configuration;
mod exit;
mod firewall;
mod keeper;
mod metrics;
mod monitor;
mod node;
mod settings;
mod source;

use std::io::Write as _;
use std::process::ExitCode;

use podnet_daemon_kit::{Chain, logging};
use tracing::level_filters::LevelFilter;

use args::{Args, Command};
use cmd::Outcome;
use exit::Exit;

// musl's own allocator keeps what a large configuration needed for a moment.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// From this level of klog's `-v` on everything is logged.
const VERBOSE: i32 = 4;

fn main() -> ExitCode {
    // A word that is no UTF-8 is none of those that are known, and is named in the error.
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match args::parse(words) {
        Ok(args) => execute(args).into(),
        Err(error) => print(&Outcome {
            text: String::new(),
            errors: vec![Chain(&error).to_string(), args::USAGE.trim_end().to_owned()],
            exit: Exit::Usage,
        })
        .into(),
    }
}

fn execute(args: Args) -> Exit {
    let Args { command, settings, warnings } = args;
    let done = |text: String| Outcome { text, errors: Vec::new(), exit: Exit::Done };
    let outcome = match command {
        Command::Run => {
            let level = if settings.verbosity >= VERBOSE { LevelFilter::DEBUG } else { LevelFilter::INFO };
            logging::to_stderr(level);
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!("podnet-masq-agent {}", env!("CARGO_PKG_VERSION"));
            return cmd::run::run(settings);
        }
        Command::CheckConfig(files) => cmd::check_config::check_config(&settings, &files),
        Command::Show => cmd::show::show(&settings),
        Command::Cleanup => cmd::cleanup::cleanup(&settings),
        Command::Version => done(format!("podnet-masq-agent {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Help => done(args::USAGE.to_owned()),
    };
    print(&outcome)
}

/// The one place that writes to stdout and, logs aside, to stderr.
fn print(outcome: &Outcome) -> Exit {
    // A reader that is gone needs no text.
    std::io::stdout().write_all(outcome.text.as_bytes()).ok();
    for error in &outcome.errors {
        writeln!(std::io::stderr(), "podnet-masq-agent: {error}").ok();
    }
    outcome.exit
}
