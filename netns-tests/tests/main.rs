//! The privileged tests. Each runs in a sandbox of its own: `cargo test -p podnet-netns-tests -- [FILTER]` as root.

mod bad_input_kernel;
mod bandwidth;
mod behaviour;
mod chains;
mod check;
mod cloud;
mod cnitool;
mod containerd;
mod crash;
mod daemon_addresses;
mod daemon_kill;
mod delete;
mod differences;
mod differential;
mod doctor;
mod dropin_chained;
mod dropin_interfaces;
mod exchange;
mod gc_status;
mod guard;
mod hairpin;
mod host_ports;
mod image;
mod install;
mod ipam;
mod ipamd;
mod look;
mod lost_pods;
mod masq_life;
mod masq_repair;
mod masq_rules;
mod node_tool;
mod podman;
mod policy;
mod reconcile;
mod results;
mod routes;
mod runtime;
mod scale;
mod server;
mod state_directory;
mod table;
mod udp_ports;
mod vnet;

use std::process::ExitCode;

fn main() -> ExitCode {
    let suites = [
        behaviour::cases(),
        results::cases(),
        delete::cases(),
        cnitool::cases(),
        check::cases(),
        gc_status::cases(),
        host_ports::cases(),
        udp_ports::cases(),
        bad_input_kernel::cases(),
        exchange::cases(),
        scale::cases(),
        state_directory::cases(),
        crash::cases(),
        ipam::cases(),
        ipamd::cases(),
        daemon_addresses::cases(),
        daemon_kill::cases(),
        install::cases(),
        image::cases(),
        routes::cases(),
        chains::cases(),
        bandwidth::cases(),
        hairpin::cases(),
        guard::cases(),
        vnet::cases(),
        reconcile::cases(),
        policy::cases(),
        podman::cases(),
        containerd::cases(),
        differential::cases(),
        node_tool::cases(),
        lost_pods::cases(),
        doctor::cases(),
        dropin_interfaces::cases(),
        dropin_chained::cases(),
        masq_rules::cases(),
        masq_repair::cases(),
        masq_life::cases(),
        differences::cases(),
    ];
    podnet_netns_tests::harness::main(suites.into_iter().flatten().collect())
}
