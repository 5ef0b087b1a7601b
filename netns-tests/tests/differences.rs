//! Where podnet is meant to differ from the reference plugins 1.9.1, and why.
//!
//! A test that names a difference has to *fail* against the reference: a difference that is gone is reported.

use std::time::Duration;

use podnet_netns_tests::ensure;
use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;

/// One of them.
#[derive(Debug)]
pub(crate) struct Difference {
    /// What the reference does.
    pub(crate) reference: &'static str,
    /// Why podnet does otherwise.
    pub(crate) reason: &'static str,
    /// Whether the reference is asked every time: for a race, or for packets that never come, it is not.
    pub(crate) always: bool,
}

pub(crate) const LATE_GATEWAY: Difference = Difference {
    reference: "ADD on a fresh bridge returns about two seconds before the IPv6 gateway answers",
    reason: "the gateway's address is ours alone: no duplicate address detection is waited for",
    always: false,
};
pub(crate) const LITERAL_BURST: Difference = Difference {
    reference: "takes the burst that Kubernetes sends for want of one, 4294967295, as half a gigabyte without limit",
    reason: "a limit has to be felt: 25 milliseconds at the rate",
    always: true,
};
pub(crate) const BUCKET_BELOW_A_PACKET: Difference = Difference {
    reference: "a burst below the size of a packet lets no full packet pass, ever",
    reason: "a pod that asks for little is slow, not cut off: the bucket holds one packet",
    always: false,
};
pub(crate) const KNOWS_NO_SUBNETS: Difference = Difference {
    reference: "has no shapedSubnets and unshapedSubnets since version 1.6: limits all",
    reason: "what its version 1.5 did is done, for what is sent and received by the peer's address",
    always: true,
};
pub(crate) const NO_ANNOTATIONS: Difference = Difference {
    reference: "does not know the pod's annotations",
    reason: "where a runtime passes nothing else, the pod's limits are there",
    always: true,
};
pub(crate) const ANSWERS_PAST_TRANSLATION: Difference = Difference {
    reference: "without br_netfilter a pod gets no answer from a neighbour through a service",
    reason: "what is translated between neighbours gets the bridge's address there, so that answers come back by it",
    always: true,
};
pub(crate) const PROMISCUITY_ALONE: Difference = Difference {
    reference: "a promiscuous bridge does not bring a pod to itself through a service, from Linux 6.8 on",
    reason: "the ports of a promiscuous bridge are in hairpin mode too where br_netfilter is on",
    always: false,
};
pub(crate) const NO_DUPLICATE_RULES: Difference = Difference {
    reference: "leaves the duplicates of a promiscuous bridge to others",
    reason: "kubenet dropped them, and so does podnet",
    always: true,
};
pub(crate) const LATE_ANNOUNCEMENT: Difference = Difference {
    reference: "announces the address when the link comes up, which the port may not forward yet",
    reason: "a stale neighbour entry of a reused address has to be replaced: announced when the port forwards",
    always: false,
};
pub(crate) const LEAVES_LINK: Difference = Difference {
    reference: "an ADD that fails after the link was made leaves it in the pod",
    reason: "ADD is all or nothing, so that it can be repeated",
    always: true,
};
pub(crate) const BRIDGE_FIRST: Difference = Difference {
    reference: "makes the bridge before it opens the namespace",
    reason: "everything is validated before anything is changed",
    always: true,
};
pub(crate) const GUARD_LAST: Difference = Difference {
    reference: "finds out that the namespace is its own when everything is done",
    reason: "a recycled namespace path must not cost the node its links: checked first",
    always: true,
};
pub(crate) const DEL_REFUSES_FILE: Difference = Difference {
    reference: "DEL fails when the namespace's path is some other file",
    reason: "that namespace is gone; DEL succeeds when there is nothing left to do",
    always: true,
};
pub(crate) const DEL_WANTS_IPAM: Difference = Difference {
    reference: "DEL needs the IPAM configuration, which may be gone",
    reason: "what a pod owns is found from its key alone",
    always: true,
};
pub(crate) const DEL_KEEPS_LINK: Difference = Difference {
    reference: "DEL without a namespace leaves the pod's link where the namespace lives on",
    reason: "the link on the node is found by its name, without the namespace",
    always: true,
};
pub(crate) const LINK_GOES_LATE: Difference = Difference {
    reference: "DEL of a namespace that is gone leaves the link to the kernel, which takes it away some time later",
    reason: "after DEL the name and the port are free, whatever became of the namespace",
    always: false,
};
pub(crate) const NO_GC: Difference = Difference {
    reference: "GC does nothing",
    reason: "what crashed runtimes leave behind has to be collected",
    always: true,
};
pub(crate) const NO_STATUS: Difference = Difference {
    reference: "STATUS succeeds where ADD cannot",
    reason: "a node that cannot serve pods has to say so, with the reason",
    always: true,
};
pub(crate) const SHALLOW_CHECK: Difference = Difference {
    reference: "CHECK does not look at it",
    reason: "whatever ADD sets, CHECK verifies",
    always: true,
};
pub(crate) const ONE_AT_A_TIME: Difference = Difference {
    reference: "CHECK stops at the first finding",
    reason: "whoever repairs a pod wants to see everything at once",
    always: true,
};
pub(crate) const NOT_CRASH_SAFE: Difference = Difference {
    reference: "killed at the wrong moment it leaves addresses or links that no DEL removes",
    reason: "a runtime kills a plugin that is late: what is left must be found by DEL",
    always: false,
};
pub(crate) const FRESH_BRIDGE_RACE: Difference = Difference {
    reference: "parallel ADDs on a node without the bridge can race for its address",
    reason: "the loser of the race reads what the winner made",
    always: false,
};
pub(crate) const ADOPTS_ANY_MTU: Difference = Difference {
    reference: "adopts an existing bridge whose MTU is not the configured one",
    reason: "silently another MTU than was asked for loses packets: an error names both",
    always: true,
};
pub(crate) const SHARES_HOST_PORTS: Difference = Difference {
    reference: "portmap gives one host port to two pods; the first rule wins, be it a dead pod's",
    reason: "a port is one pod's: the second ADD fails and names both",
    always: true,
};
pub(crate) const OTHER_HOST_PORTS: Difference = Difference {
    reference: "portmap has other rules, no GC, and needs portMappings at DEL",
    reason: "what a pod owns is found from its key alone",
    always: false,
};
pub(crate) const LOOPBACK_OPEN: Difference = Difference {
    reference: "route_localnet lets neighbours reach what listens on 127.0.0.1 (CVE-2020-8558)",
    reason: "packets from and to 127.0.0.0/8 that arrive on another link than lo are dropped",
    always: true,
};
pub(crate) const UDP_AT_ADD_ONLY: Difference = Difference {
    reference: "portmap deletes UDP connection tracking entries at ADD alone",
    reason: "a client that goes on sending must not keep the dead pod's entry",
    always: false,
};
pub(crate) const LISTS_THE_IFB: Difference = Difference {
    reference: "bandwidth lists the ifb among the result's interfaces",
    reason: "ours is found by its name: the list is bridge, host link and pod's link, whatever is asked for",
    always: true,
};
pub(crate) const FORGETS_ELSEWHERE: Difference = Difference {
    reference: "portmap deletes every UDP connection tracking entry of the port's number, wherever it leads",
    reason: "a pod's question to a name server elsewhere is not to lose its translation: those to the node's addresses go",
    always: true,
};
pub(crate) const ADOPTS_ANY_ADDRESS: Difference = Difference {
    reference: "gives a pod an address that another pod or the node has",
    reason: "the node could not tell the two apart",
    always: true,
};
pub(crate) const DROPS_EARLIER_RESULT: Difference = Difference {
    reference: "puts its own result in place of the earlier plugins'",
    reason: "what they made is still there: our interfaces, addresses and routes come behind theirs",
    always: true,
};
pub(crate) const SBR_FAILS_CHECK: Difference = Difference {
    reference: "CHECK misses the default route that sbr, behind it in the list, moved to another table",
    reason: "what a later plugin of the list rightly changes is no difference",
    always: true,
};

pub(crate) const NO_LINK_LOCAL: Difference = Difference {
    reference: "gives the host's end an IPv6 link-local address",
    reason: "a bridge port speaks no IPv6 of its own, and each address makes every later link change slower",
    always: true,
};

pub(crate) const NO_GUARD: Difference = Difference {
    reference: "keeps no pod from others' addresses, nor from the cloud's services for nodes",
    reason: "a pod that speaks for others, or reads the node's secrets, is what the switches are for",
    always: false,
};

/// All of them, for the page that lists them to people.
const ALL: &[&Difference] = &[
    &LATE_GATEWAY,
    &LATE_ANNOUNCEMENT,
    &LITERAL_BURST,
    &ANSWERS_PAST_TRANSLATION,
    &PROMISCUITY_ALONE,
    &NO_DUPLICATE_RULES,
    &BUCKET_BELOW_A_PACKET,
    &NO_ANNOTATIONS,
    &KNOWS_NO_SUBNETS,
    &LEAVES_LINK,
    &BRIDGE_FIRST,
    &GUARD_LAST,
    &DEL_REFUSES_FILE,
    &DEL_WANTS_IPAM,
    &DEL_KEEPS_LINK,
    &LINK_GOES_LATE,
    &NO_GC,
    &NO_STATUS,
    &SHALLOW_CHECK,
    &ONE_AT_A_TIME,
    &NOT_CRASH_SAFE,
    &FRESH_BRIDGE_RACE,
    &ADOPTS_ANY_MTU,
    &SHARES_HOST_PORTS,
    &OTHER_HOST_PORTS,
    &LOOPBACK_OPEN,
    &UDP_AT_ADD_ONLY,
    &FORGETS_ELSEWHERE,
    &LISTS_THE_IFB,
    &ADOPTS_ANY_ADDRESS,
    &DROPS_EARLIER_RESULT,
    &SBR_FAILS_CHECK,
    &NO_LINK_LOCAL,
    &NO_GUARD,
];

pub(crate) fn cases() -> Vec<Case> {
    vec![Case {
        name: "differences::the_page_lists_them_all".to_owned(),
        limit: Duration::from_secs(10),
        body: Box::new(the_page_lists_them_all),
    }]
}

fn the_page_lists_them_all() -> Outcome {
    let page = include_str!("../DIFFERENCES.md");
    for Difference { reference, reason, .. } in ALL {
        ensure!(page.contains(&format!("| {reference} | {reason} |")), "DIFFERENCES.md lacks: {reference}");
    }
    Ok(())
}
