//! The agent's life: how it starts, what bad input does to it, how it is killed, what it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::masq::{Agent, Backend, ConfigMap, Flags};
use podnet_netns_tests::process::{command, run, tool};
use podnet_netns_tests::{ensure, ensure_eq, tools};

use crate::masq_repair::get;
use crate::masq_rules::{restore, table};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = table(
        "masq_life",
        &Backend::ALL,
        &[
            ("killed_at_any_moment", killed_at_any_moment),
            ("bad_files_change_nothing", bad_files_change_nothing),
            ("sigterm_leaves_and_cleanup_removes", sigterm_and_cleanup),
        ],
    );
    cases.extend(table(
        "masq_life",
        &[Backend::Nft, Backend::Legacy],
        &[("a_foreign_chain_is_refused", foreign_chain), ("auto_follows_the_nodes_rules", auto)],
    ));
    cases.extend(table(
        "masq_life",
        &[Backend::Nft],
        &[
            ("a_directory_that_appears_later", late_directory),
            ("exit_codes", exit_codes),
            ("the_shipped_files_are_used", shipped_files),
            ("the_doctor_knows_the_agent", doctor),
        ],
    ));
    cases.extend(table("masq_life", &[Backend::Legacy], &[("a_held_lock_is_waited_for", held_lock)]));
    cases
}

const ONE: &str = "nonMasqueradeCIDRs: [10.1.0.0/16, 10.2.0.0/16, \"fd00:1::/32\"]";
const OTHER: &str = "nonMasqueradeCIDRs: [10.3.0.0/16, 10.4.0.0/16, \"fd00:3::/32\"]\nmasqLinkLocal: true";

fn rules(backend: Backend) -> Result<[String; 2], Failure> {
    Ok([backend.rules(false)?, backend.rules(true)?])
}

/// Killed after every half millisecond of its work, it leaves for each family the old rules or the new ones.
fn killed_at_any_moment(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    let flags = Flags::new(backend, &config);
    let mut states = Vec::new();
    for text in [OTHER, ONE] {
        config.swap(&[("ip-masq-agent", text)])?;
        flags.once()?;
        states.push(rules(backend)?);
    }
    let mut seen = [false, false];
    for step in 0..160_u64 {
        let goal = usize::try_from(step % 2)?;
        config.swap(&[("ip-masq-agent", if goal == 0 { OTHER } else { ONE })])?;
        let mut child = flags.command("run")?.arg("--once").stderr(std::process::Stdio::null()).spawn()?;
        thread::sleep(Duration::from_micros(step * 500));
        child.kill()?;
        child.wait()?;
        for (family, found) in rules(backend)?.iter().enumerate() {
            let state = states.iter().position(|state| state[family] == *found);
            let Some(state) = state else {
                return Err(Failure::failed(format!("killed after {} us:\n{found}", step * 500)));
            };
            seen[usize::from(state == goal)] = true;
        }
    }
    ensure_eq!(seen, [true, true], "killed both before and after the change");
    Ok(())
}

fn bad_files_change_nothing(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    config.swap(&[("ip-masq-agent", ONE), ("ip-masq-user", "nonMasqueradeCIDRs: [10.9.0.0/16]")])?;
    let flags = Flags::new(backend, &config).and(&["--resync-interval=3600"]);
    let agent = Agent::start(&flags)?;
    let right = rules(backend)?;
    let reported = |name: &str| {
        agent.until(format_args!("a report that names {name}"), || Ok(agent.log().contains(name)))
    };
    let bad = [
        ("nonMasqueradeCIDRs:\n- 10.0.0.77/8\n", "10.0.0.77/8"),
        ("nonMasqueradeCIDRs:\n-\n- 10.0.0.0/8\n", "ip-masq-user: line 2: an item"),
        ("nonMasqueradeCIDR: [10.0.0.0/8]\n", "nonMasqueradeCIDR\\\""),
        ("masqLinkLocal: \"true\"", "masqLinkLocal has to be"),
        ("{\"a\": 1} junk", "not JSON"),
    ];
    for (text, name) in bad {
        config.swap(&[("ip-masq-agent", ONE), ("ip-masq-user", text)])?;
        let shown = name.replace("\\\"", "\"");
        reported(&shown)?;
        ensure_eq!(rules(backend)?, right, "after {text:?}");
    }
    let large = "#".repeat(10 << 20);
    config.swap(&[("ip-masq-agent", ONE), ("ip-masq-user", &large)])?;
    reported("more than 1048576 bytes")?;
    ensure_eq!(rules(backend)?, right, "after a file of 10 MiB");
    drop(agent);
    // The next agent has no memory, but the kernel has.
    config.swap(&[("ip-masq-agent", ONE), ("ip-masq-user", "nonMasqueradeCIDRs: [10.0.0.77/8]")])?;
    let again = flags.clone().and(&["--once"]).run("run")?;
    ensure_eq!(again.status.code(), Some(3), "{again}");
    ensure_eq!(rules(backend)?, right, "after a start with a bad file");
    // Repair goes on all the same.
    let agent = Agent::start(&flags)?;
    match backend {
        Backend::Native => tool(&["nft", "delete", "table", "ip", "podnet-masq"])?,
        _ => tool(&[backend.name(), "-t", "nat", "-F", "IP-MASQ-AGENT"])?,
    };
    if backend != Backend::Legacy {
        agent.until("repaired with a bad file", || Ok(rules(backend)? == right))?;
    }
    Ok(())
}

fn sigterm_and_cleanup(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    let flags = Flags::new(backend, &config);
    let agent = Agent::start(&flags)?;
    let right = rules(backend)?;
    ensure!(get("/healthz")?.starts_with("HTTP/1.1 200"), "not healthy");
    ensure!(get("/readyz")?.starts_with("HTTP/1.1 200"), "not ready");
    ensure!(
        agent.log().contains("169.254.0.0/16, 10.0.0.0/8, 172.16.0.0/12"),
        "no ranges in:\n{}",
        agent.log()
    );
    ensure_eq!(agent.terminate()?, Some(0), "exit code after SIGTERM");
    ensure_eq!(rules(backend)?, right, "after SIGTERM");
    ensure!(flags.run("cleanup")?.status.success(), "cleanup failed");
    ensure_eq!(rules(backend)?, [const { String::new() }; 2], "after cleanup");
    ensure_eq!(flags.run("show")?.status.code(), Some(6), "exit code of show without rules");
    Ok(())
}

fn foreign_chain(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    restore(backend, "*nat\n:DOCKER-X - [0:0]\n-A DOCKER-X -s 1.2.3.4/32 -j ACCEPT\nCOMMIT\n")?;
    let flags = Flags::new(backend, &config).and(&["--masq-chain=DOCKER-X", "--once"]);
    let refused = flags.run("run")?;
    ensure_eq!(refused.status.code(), Some(5), "{refused}");
    let listed = tool(&[backend.name(), "-t", "nat", "-S", "DOCKER-X"])?;
    ensure!(listed.contains("1.2.3.4"), "the foreign chain was changed: {listed}");
    Ok(())
}

fn auto(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    let flags = Flags::new(Backend::Nft, &config).and(&["--backend=auto"]);
    let chosen = || -> Result<String, Failure> { Ok(flags.run("show")?.stdout) };
    // Without any rules: as `iptables` in PATH.
    ensure!(chosen()?.contains("backend:        iptables-nft (no other rules tell"), "{}", chosen()?);
    // More rules on one side.
    restore(backend, "*filter\n:OTHER - [0:0]\n-A OTHER -s 1.2.3.4/32 -j ACCEPT\nCOMMIT\n")?;
    ensure!(
        chosen()?.contains(&format!("backend:        {} (of the node's rules", backend.name())),
        "{}",
        chosen()?
    );
    // kubelet's hint on the other side comes first.
    let hinted = if backend == Backend::Nft { Backend::Legacy } else { Backend::Nft };
    restore(hinted, "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n")?;
    let wanted = format!("backend:        {} (kubelet's chain KUBE-KUBELET-CANARY", hinted.name());
    ensure!(chosen()?.contains(&wanted), "{}", chosen()?);
    Ok(())
}

fn late_directory(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    fs::remove_dir(config.path())?;
    let agent = Agent::start(&Flags::new(backend, &config).and(&["--resync-interval=3600"]))?;
    ensure!(backend.rules(false)?.contains("192.168.0.0/16"), "no defaults without a directory");
    ConfigMap::new()?.swap(&[("ip-masq-agent", ONE)])?;
    agent.until("the directory was noticed", || Ok(backend.rules(false)?.contains("10.2.0.0/16")))?;
    fs::remove_dir_all(config.path())?;
    agent.until("its end was noticed", || Ok(backend.rules(false)?.contains("192.168.0.0/16")))
}

fn exit_codes(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    let flags = Flags::new(backend, &config);
    let code =
        |flags: &Flags, verb: &str| -> Result<Option<i32>, Failure> { Ok(flags.run(verb)?.status.code()) };
    ensure_eq!(code(&flags.clone().and(&["--nonsense"]), "run")?, Some(2), "an unknown flag");
    ensure_eq!(code(&flags.clone().and(&["--masq-chain=a b"]), "run")?, Some(2), "a chain that cannot be");
    let file = Path::new("/run/a-file");
    fs::write(file, "")?;
    let unreadable = flags.clone().and(&["--config-dir=/run/a-file"]);
    ensure_eq!(code(&unreadable, "check-config")?, Some(3), "a directory that is none");
    ensure_eq!(code(&unreadable.and(&["--once"]), "run")?, Some(3), "the same, with the defaults in force");
    ensure!(backend.rules(false)?.contains("192.168.0.0/16"), "no defaults");
    // A node without iptables, then one whose kernel has no such table.
    let bare = Path::new("/run/bin");
    fs::create_dir(bare)?;
    let mut nowhere = flags.command("run")?;
    let found = run(nowhere.env("PATH", bare).arg("--once"), b"")?;
    ensure_eq!(found.status.code(), Some(4), "no iptables: {found}");
    let lacks = "#!/bin/sh\ncase \"$*\" in *version*) echo 'iptables v1.8.9 (nf_tables)';; *) echo \"iptables v1.8.9: \
                 can't initialize iptables table \\`nat': Table does not exist\" >&2; exit 3;; esac\n";
    for name in ["iptables", "ip6tables", "iptables-nft", "ip6tables-nft"] {
        fs::write(bare.join(name), lacks)?;
        fs::set_permissions(bare.join(name), fs::Permissions::from_mode(0o755))?;
    }
    // /run is mounted noexec: the interpreter runs them from elsewhere.
    tool(&["mount", "-o", "remount,exec", "/run"])?;
    let mut without = command(tools::masq_agent()?, ["run", "--once", "--backend=auto"]);
    let found = run(without.env("PATH", format!("{}:/usr/bin:/bin", bare.display())), b"")?;
    ensure_eq!(found.status.code(), Some(4), "no nat table: {found}");
    Ok(())
}

/// Others hold the lock: the agent waits, answers meanwhile, and goes on when the lock is free.
fn held_lock(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    let flags = Flags::new(backend, &config);
    let agent = Agent::start(&flags)?;
    let mut holder = command("flock", ["/run/xtables.lock", "sleep", "1000"]).spawn()?;
    let held = (|| -> Outcome {
        config.swap(&[("ip-masq-agent", ONE)])?;
        agent.until("the lock is named", || {
            ensure!(get("/healthz")?.starts_with("HTTP/1.1 200"), "not alive");
            Ok(agent.log().contains("xtables lock"))
        })?;
        ensure!(get("/metrics")?.contains("podnet_masq_errors_total{kind=\"lock\"}"), "no metric");
        ensure!(get("/readyz")?.starts_with("HTTP/1.1 503"), "ready without its rules");
        Ok(())
    })();
    // flock holds the lock in its child, too.
    tool(&["pkill", "-P", &holder.id().to_string()])?;
    holder.wait()?;
    held?;
    agent.until("the rules after the lock", || Ok(backend.rules(false)?.contains("10.2.0.0/16")))
}

/// The DaemonSet, its `ConfigMap`s and the unit, as they are shipped.
fn shipped_files(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    let conf = tools::workspace().join("conf");
    let manifest = fs::read_to_string(conf.join("kubernetes/masq-agent/daemonset.yaml"))?;
    let lists = fs::read_to_string(conf.join("kubernetes/masq-agent/config.yaml"))?;
    let unit = fs::read_to_string(conf.join("podnet-masq-agent.service"))?;
    let list = |key: &str| -> Result<String, Failure> {
        let (_, list) = lists.split_once(&format!("\n  {key}: |\n")).doing(format_args!("find {key}"))?;
        let lines = list.lines().map_while(|line| line.strip_prefix("    "));
        Ok(lines.flat_map(|line| [line, "\n"]).collect())
    };
    let (users, clusters) = (list("ip-masq-agent")?, list("ip-masq-agent-reconciled")?);
    config.swap(&[("ip-masq-agent-azure", &users), ("ip-masq-agent-azure-reconciled", &clusters)])?;
    let words = manifest.lines().filter_map(|line| line.trim().strip_prefix("- --"));
    let of_manifest: Vec<String> = words.map(|word| format!("--{word}")).collect();
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).doing("no ExecStart")?;
    let of_unit: Vec<String> = started.split(' ').skip(1).map(str::to_owned).collect();
    for words in [of_manifest, of_unit] {
        let directory = format!("--config-dir={}", config.path().display());
        let mut once = command(tools::masq_agent()?, words);
        run(once.args(["--once", &directory, "--backend", backend.name()]), b"")?.success()?;
        ensure!(backend.rules(false)?.contains("10.224.0.0/12"), "the lists are not in force");
    }
    Ok(())
}

/// `podnet doctor` beside the agent: a pod CIDR that is not exempt, one that is, and a network that masquerades too.
fn doctor(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [172.16.0.0/12]")])?;
    let agent = Agent::start(&Flags::new(backend, &config).and(&["--resync-interval=3600"]))?;
    let folder = Path::new("/run/net.d");
    fs::create_dir(folder)?;
    let conflist = fs::read_to_string(tools::workspace().join("conf/kubenet.conflist"))?;
    let write = |text: &str| fs::write(folder.join("10-podnet.conflist"), text);
    let says = || -> Result<String, Failure> {
        Ok(run(&mut command(tools::podnet()?, ["doctor", "--conf-dir", "/run/net.d"]), b"")?.stdout)
    };
    write(&conflist)?;
    ensure!(says()?.contains("masquerading: pod CIDR 10.244.1.0/24"), "not missed: {}", says()?);
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [10.244.0.0/16]")])?;
    agent.until("nothing more to say", || Ok(!says()?.contains("masquerading:")))?;
    write(&conflist.replace("\"ipMasq\": false", "\"ipMasq\": true"))?;
    ensure!(says()?.contains("masquerading: network kubenet"), "not both: {}", says()?);
    Ok(())
}
