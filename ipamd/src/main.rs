//! `podnet-ipamd serve | check-config | status | release | dump | cleanup | crds | install | uninstall | grant`.
//!
//! stdout has what was asked for, stderr the log of `serve` and what went wrong. Exit code 0: done; 1: not done; 2: not
//! understood.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use podnet_daemon_kit::{Chain, logging};
use podnet_ipamd::admin::{self, AdminError, Whose};
use podnet_ipamd::crd;
use podnet_ipamd::daemon::{self, DaemonError};
use podnet_ipamd::grant::service::{self, GrantError};
use podnet_ipamd::install::{self, InstallError, Installation, Removal, Report};
use tracing::level_filters::LevelFilter;

// musl's own allocator takes a lock and a system call where this takes neither.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The address daemon: owns the node's pool of addresses.
#[derive(Parser)]
#[command(name = "podnet-ipamd", version)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the daemon.
    Serve(Configured),
    /// Run the controller that grants addresses to nodes, for the whole cluster.
    Grant {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "/etc/podnet/grant.yaml")]
        config: PathBuf,
    },
    /// Name everything that is wrong with a configuration, with its line.
    CheckConfig(Configured),
    /// Show pool, pods, source and the last events of the running daemon.
    Status {
        #[command(flatten)]
        daemon: Daemon,
        /// JSON instead of tables.
        #[arg(long)]
        json: bool,
    },
    /// Free what a container, a pod or an address holds. Only for what is certainly gone.
    Release {
        #[command(flatten)]
        daemon: Daemon,
        #[command(flatten)]
        whose: WhoseArgs,
    },
    /// Print everything that the running daemon has in memory, as JSON.
    Dump {
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Remove what the daemon keeps on the node for all pods: the table `inet podnet-node`, routes to their subnets and to
    /// other nodes' pods. For a daemon that has ended.
    Cleanup(Configured),
    /// Print the custom resource definition that the source nodeNetworkConfig needs, as YAML.
    Crds,
    /// Put podnet onto this node, or bring it up to date: the plugin, its links, configuration.
    Install(Installation),
    /// Leave this node as it was before `install`.
    Uninstall(Removal),
}

#[derive(Args)]
struct Configured {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/podnet/ipamd.yaml")]
    config: PathBuf,
}

#[derive(Args)]
struct Daemon {
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = "/run/podnet/ipamd.sock")]
    socket: PathBuf,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct WhoseArgs {
    /// The ID of a container.
    #[arg(long, value_name = "ID")]
    container: Option<String>,
    /// A pod, as NAMESPACE/NAME.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pod: Option<String>,
    /// An address.
    #[arg(long, value_name = "IP")]
    address: Option<std::net::IpAddr>,
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error("cannot print the definition")]
    Definition(#[from] serde_saphyr::ser::Error),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot write to stdout")]
    Output(#[source] io::Error),
}

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        // Its help goes to stdout, its complaints to stderr.
        Err(error) => {
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match run(command.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Admin(AdminError::Invalid(problems))) => {
            writeln!(io::stderr(), "{}", problems.join("\n")).ok();
            ExitCode::FAILURE
        }
        Err(failure) => {
            writeln!(io::stderr(), "podnet-ipamd: {}", Chain(&failure)).ok();
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<(), Failure> {
    let text = match verb {
        Verb::Serve(Configured { config }) => return Ok(runtime()?.block_on(daemon::serve(&config))?),
        Verb::Grant { config } => return Ok(runtime()?.block_on(service::serve(&config))?),
        Verb::CheckConfig(Configured { config }) => admin::check_config(&config)?,
        Verb::Status { daemon, json } => admin::status(&daemon.socket, json)?,
        Verb::Release { daemon, whose } => admin::release(&daemon.socket, &whose.into())?,
        Verb::Cleanup(Configured { config }) => admin::cleanup(&config)?,
        Verb::Dump { daemon } => admin::dump(&daemon.socket)?,
        Verb::Crds => crd::definition()?,
        Verb::Install(options) => told(&install::install(&options)?),
        Verb::Uninstall(options) => told(&install::uninstall(&options)?),
    };
    io::stdout().write_all(text.as_bytes()).map_err(Failure::Output)
}

/// What was done, for stdout; what needs eyes goes to stderr.
fn told(report: &Report) -> String {
    for warning in &report.warnings {
        writeln!(io::stderr(), "podnet-ipamd: warning: {warning}").ok();
    }
    report.said.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// What a daemon runs on, its log included.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    logging::to_stderr(LevelFilter::INFO);
    // One thread: the pool has one owner, and whoever asks waits for it anyway.
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)
}

impl From<WhoseArgs> for Whose {
    fn from(arguments: WhoseArgs) -> Self {
        let container = arguments.container.unwrap_or_default();
        let named = arguments.pod.map(Self::Pod).or(arguments.address.map(Self::Address));
        named.unwrap_or(Self::Container(container))
    }
}
