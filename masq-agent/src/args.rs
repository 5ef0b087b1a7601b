//! The command line, as Go's flag package reads it: `-flag`, `--flag`, `--flag=value`, `--flag value`, and switches that
//! take a value only behind `=`.

use std::path::PathBuf;
use std::time::Duration;

use podnet_masq_rules::chain_name::ChainNameError;
use podnet_masq_rules::ports::PortsError;

use crate::settings::{Choice, Settings};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Keep the rules.
    Run,
    /// Say what is wrong with the configuration: of the directory, or of these files.
    CheckConfig(Vec<PathBuf>),
    /// Say which rules are wanted and found.
    Show,
    /// Remove the rules.
    Cleanup,
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) command: Command,
    pub(crate) settings: Settings,
    /// Flags with a value that was changed to one that can be, in words.
    pub(crate) warnings: Vec<String>,
}

/// A command line that cannot be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("flag provided but not defined: -{flag}")]
    Unknown { flag: String },
    #[error("flag needs an argument: -{flag}")]
    NoValue { flag: String },
    #[error("invalid value {value:?} for flag -{flag}: wanted {wanted}")]
    Value { flag: String, value: String, wanted: &'static str },
    #[error("invalid value for flag -masq-chain")]
    Chain(#[from] ChainNameError),
    #[error("Invalid --to-ports flag {value:?}")]
    Ports { value: String, source: PortsError },
    #[error("unknown command {word:?}")]
    Command { word: String },
    #[error("unexpected argument {word:?}")]
    Word { word: String },
}

/// Switches of klog that are accepted and mean nothing here: logs go to stderr.
const KLOG_SWITCHES: [&str; 7] = [
    "logtostderr",
    "alsologtostderr",
    "skip_headers",
    "skip_log_headers",
    "add_dir_header",
    "one_output",
    "legacy_stderr_threshold_behavior",
];
/// Flags of klog with a value, likewise.
const KLOG_VALUES: [&str; 6] =
    ["vmodule", "stderrthreshold", "log_dir", "log_file", "log_file_max_size", "log_backtrace_at"];

/// The text of `--help`.
pub(crate) const USAGE: &str = "\
usage: podnet-masq-agent [run | check-config [FILE...] | show | cleanup | version] [flags]

  run            keep the rules (the default)
  check-config   say what is wrong with the configuration
  show           rules wanted, rules found, and the difference
  cleanup        remove the rules

flags, as -flag or --flag:
  --masq-chain NAME                chain of the nat table (IP-MASQ-AGENT)
  --nomasq-all-reserved-ranges     without configuration, exempt all reserved ranges, not RFC 1918 alone
  --enable-ipv6                    keep rules for IPv6 too
  --random-fully                   random source ports (true)
  --to-ports LIST                  source ports of tcp, udp and sctp, as 1024-29999,32768-65535
  --resync-interval SECONDS        time between full checks (60)
  --backend NAME                   auto, iptables-nft, iptables-legacy or nftables (auto)
  --config-dir DIR                 directory of the files ip-masq* (/etc/config)
  --metrics-address ADDRESS:PORT   /metrics, /healthz and /readyz (127.0.0.1:10094); empty: not served
  --once                           run: put the rules in force and end
  --output FORMAT                  show: table or json (table)
  --v LEVEL                        more to read from 4 on (0)
  klog's other flags are accepted and mean nothing

exit codes: 0 done, 1 rules could not be read or written, 2 usage, 3 bad configuration,
  4 no iptables or nft, or a kernel without their tables, 5 the chain is another program's, 6 show: rules differ
";

/// Reads the words after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Args, ArgsError> {
    let mut reader = Reader { settings: Settings::default(), warnings: Vec::new(), help: false };
    let mut plain = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--").or_else(|| word.strip_prefix('-')) {
            Some("") if word == "--" => plain.extend(words.by_ref()),
            Some(flag) if !flag.is_empty() => reader.flag(flag, &mut words)?,
            _ => plain.push(word),
        }
    }
    let command = if reader.help { Command::Help } else { command(plain)? };
    Ok(Args { command, settings: reader.settings, warnings: reader.warnings })
}

fn command(words: Vec<String>) -> Result<Command, ArgsError> {
    let mut words = words.into_iter();
    let command = match words.next().as_deref() {
        None | Some("run") => Command::Run,
        Some("check-config") => return Ok(Command::CheckConfig(words.map(PathBuf::from).collect())),
        Some("show") => Command::Show,
        Some("cleanup") => Command::Cleanup,
        Some("version") => Command::Version,
        Some("help") => Command::Help,
        Some(word) => return Err(ArgsError::Command { word: word.to_owned() }),
    };
    words.next().map_or(Ok(command), |word| Err(ArgsError::Word { word }))
}

struct Reader {
    settings: Settings,
    warnings: Vec<String>,
    help: bool,
}

impl Reader {
    fn flag(&mut self, text: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), ArgsError> {
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (text, None),
        };
        let settings = &mut self.settings;
        let switch = match flag {
            "nomasq-all-reserved-ranges" => Some(&mut settings.all_reserved_ranges),
            "enable-ipv6" => Some(&mut settings.ipv6),
            "random-fully" => Some(&mut settings.style.random_fully),
            "once" => Some(&mut settings.once),
            "h" | "help" => Some(&mut self.help),
            _ => None,
        };
        if let Some(switch) = switch {
            *switch = boolean(flag, value.as_deref())?;
            return Ok(());
        }
        if KLOG_SWITCHES.contains(&flag) {
            return boolean(flag, value.as_deref()).map(drop);
        }
        if !takes_value(flag) {
            return Err(ArgsError::Unknown { flag: flag.to_owned() });
        }
        let value =
            value.or_else(|| rest.next()).ok_or_else(|| ArgsError::NoValue { flag: flag.to_owned() })?;
        self.value(flag, value)
    }

    fn value(&mut self, flag: &str, value: String) -> Result<(), ArgsError> {
        let settings = &mut self.settings;
        let wrong = |wanted| ArgsError::Value { flag: flag.to_owned(), value: value.clone(), wanted };
        match flag {
            "masq-chain" => settings.chain = value.parse()?,
            "to-ports" => match value.parse() {
                Ok(ports) => settings.style.ports = ports,
                Err(source) => return Err(ArgsError::Ports { value, source }),
            },
            "resync-interval" => {
                let seconds: i64 = value.parse().map_err(|_not_a_number| wrong("seconds"))?;
                if seconds < 1 {
                    self.warnings
                        .push(format!("--resync-interval {seconds} is below one second: one second is used"));
                }
                settings.resync_interval = Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(1));
            }
            "backend" => {
                settings.backend = match value.as_str() {
                    "auto" => Choice::Auto,
                    "iptables-nft" => Choice::IptablesNft,
                    "iptables-legacy" => Choice::IptablesLegacy,
                    "nftables" => Choice::Nftables,
                    _ => return Err(wrong("auto, iptables-nft, iptables-legacy or nftables")),
                }
            }
            "config-dir" => settings.config_dir = PathBuf::from(value),
            "metrics-address" if value.is_empty() => settings.metrics = None,
            "metrics-address" => {
                settings.metrics = Some(value.parse().map_err(|_no_address| wrong("ADDRESS:PORT"))?);
            }
            "output" => {
                settings.json = match value.as_str() {
                    "table" => false,
                    "json" => true,
                    _ => return Err(wrong("table or json")),
                }
            }
            "v" => settings.verbosity = value.parse().map_err(|_not_a_number| wrong("a number"))?,
            // klog's, without a meaning here.
            _ => {}
        }
        Ok(())
    }
}

fn takes_value(flag: &str) -> bool {
    const OWN: [&str; 8] = [
        "masq-chain",
        "to-ports",
        "resync-interval",
        "backend",
        "config-dir",
        "metrics-address",
        "output",
        "v",
    ];
    OWN.contains(&flag) || KLOG_VALUES.contains(&flag)
}

/// By the words that Go's `strconv.ParseBool` takes.
fn boolean(flag: &str, value: Option<&str>) -> Result<bool, ArgsError> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => {
            Err(ArgsError::Value { flag: flag.to_owned(), value: other.to_owned(), wanted: "true or false" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, ArgsError> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn defaults_are_upstreams() {
        let args = parsed("").unwrap();
        assert_eq!(args.command, Command::Run);
        assert_eq!(args.settings, Settings::default());
        assert!(
            args.settings.style.random_fully && !args.settings.ipv6 && !args.settings.all_reserved_ranges
        );
        assert_eq!(args.settings.resync_interval, Duration::from_mins(1));
    }

    #[test]
    fn flags_as_go_writes_them() {
        let line = "-masq-chain IP-MASQ --nomasq-all-reserved-ranges -enable-ipv6=true --random-fully=false \
                    --to-ports=1-2 --resync-interval 30 --v=2 --logtostderr -alsologtostderr=false --vmodule a=3";
        let settings = parsed(line).unwrap().settings;
        assert_eq!(settings.chain.as_str(), "IP-MASQ");
        assert!(settings.all_reserved_ranges && settings.ipv6 && !settings.style.random_fully);
        assert_eq!(settings.style.ports.to_string(), "1-2");
        assert_eq!(settings.resync_interval, Duration::from_secs(30));
        assert_eq!(settings.verbosity, 2);
    }

    #[test]
    fn commands_stand_anywhere() {
        assert_eq!(parsed("run --once").unwrap().command, Command::Run);
        assert_eq!(parsed("--output json show").unwrap().command, Command::Show);
        assert_eq!(
            parsed("check-config a b").unwrap().command,
            Command::CheckConfig(vec!["a".into(), "b".into()])
        );
        assert_eq!(parsed("--help").unwrap().command, Command::Help);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "--nonsense",
            "--masq-chain",
            "--masq-chain -j",
            "--to-ports=2-1",
            "--enable-ipv6=maybe",
            "--backend=ebpf",
            "--resync-interval=60s",
            "dance",
            "show me",
            "--metrics-address=x",
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_interval_of_nothing_is_a_second() {
        let args = parsed("--resync-interval=0").unwrap();
        assert_eq!(args.settings.resync_interval, Duration::from_secs(1));
        assert_eq!(args.warnings.len(), 1);
    }
}
