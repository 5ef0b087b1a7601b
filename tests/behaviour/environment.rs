//! The `CNI_*` variables: which a command needs, their rules, and the order in which they are looked at.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use podnet_tests::Run;

use crate::request::{ATTACHMENT, assert_passed, assert_refused, call, config, podnet};
use crate::vector::{Answer, Vector, check};

fn vectors(command: &str) -> Vector {
    Vector::attached(command).stdin(config().to_string())
}

#[test]
fn missing_variables_are_all_named() {
    let all = Answer::Error(
        4,
        "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing",
        "",
    );
    let but_netns =
        Answer::Error(4, "required env variables [CNI_CONTAINERID,CNI_IFNAME,CNI_PATH] missing", "");
    let path = Answer::Error(4, "required env variables [CNI_PATH] missing", "");
    check(&[
        Vector::bare("ADD").answers(all.clone()),
        Vector::bare("CHECK").answers(all),
        Vector::bare("DEL").answers(but_netns),
        Vector::bare("GC").answers(path.clone()),
        Vector::bare("STATUS").answers(path),
        Vector::bare("ADD").named("container given").var("CNI_CONTAINERID", "c1").answers(Answer::Error(
            4,
            "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing",
            "",
        )),
        Vector::bare("CHECK").named("interface given").var("CNI_IFNAME", "pod0").answers(Answer::Error(
            4,
            "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_PATH] missing",
            "",
        )),
    ]);
}

#[test]
fn an_empty_variable_is_a_missing_one() {
    let empty = |name: &str| vectors("ADD").named(format!("{name} empty")).var(name, "");
    check(&[
        empty("CNI_CONTAINERID").answers(Answer::Error(
            4,
            "required env variables [CNI_CONTAINERID] missing",
            "",
        )),
        empty("CNI_NETNS").answers(Answer::Error(4, "required env variables [CNI_NETNS] missing", "")),
        empty("CNI_IFNAME").answers(Answer::Error(4, "required env variables [CNI_IFNAME] missing", "")),
        empty("CNI_PATH").answers(Answer::Error(4, "required env variables [CNI_PATH] missing", "")),
        empty("CNI_ARGS").answers(Answer::Passed),
        empty("CNI_COMMAND").answers(Answer::Exactly("")),
    ]);
}

#[test]
fn commands_are_spelt_in_upper_case() {
    let unknown = |command: &str, msg| vectors(command).answers(Answer::Error(4, msg, ""));
    check(&[
        unknown("add", "unknown CNI_COMMAND: add"),
        unknown("Del", "unknown CNI_COMMAND: Del"),
        unknown("ADD ", "unknown CNI_COMMAND: ADD "),
        unknown("PING", "unknown CNI_COMMAND: PING"),
    ]);
}

#[test]
fn an_unknown_command_is_found_after_the_configuration_was_read() {
    check(&[
        Vector::bare("PING").stdin("{").answers(Answer::ErrorBegins(6, "error unmarshall network config: ")),
        Vector::bare("PING").named("no name").stdin("{}").answers(Answer::Error(
            7,
            "missing network name",
            "",
        )),
        Vector::bare("PING")
            .named("unknown version")
            .stdin(r#"{"name":"net","cniVersion":"9.9.9"}"#)
            .answers(Answer::Error(4, "unknown CNI_COMMAND: PING", "")),
    ]);
}

#[test]
fn container_ids_follow_their_rule() {
    let id = |id: &str| vectors("ADD").named(format!("container {id:?}")).var("CNI_CONTAINERID", id);
    let refused =
        |text: &'static str| id(text).answers(Answer::Error(4, "invalid characters in containerID", text));
    check(&[
        refused("a b"),
        refused("a/b"),
        refused("../a"),
        refused(".."),
        refused(".a"),
        refused("-a"),
        refused("_a"),
        refused("a\n"),
        refused("ä"),
        refused("a:b"),
        id("A").answers(Answer::Passed),
        id("0_.-").answers(Answer::Passed),
        id(&"f".repeat(64)).answers(Answer::Passed),
        id(&"f".repeat(4000)).answers(Answer::Passed),
    ]);
}

#[test]
fn interface_names_follow_the_kernels_rule() {
    let name = |name: &str| vectors("ADD").named(format!("interface {name:?}")).var("CNI_IFNAME", name);
    let long = |text| {
        name(text).answers(Answer::Error(
            4,
            "interface name is too long",
            "interface name should be less than 16 characters",
        ))
    };
    let dots = |text| name(text).answers(Answer::Error(4, "interface name is . or ..", ""));
    let character = |text| {
        let msg = "interface name contains / or : or whitespace characters";
        name(text)
            .answers(Answer::Error(4, msg, text))
            .reference(Answer::Error(4, msg, ""), "the error shows the name")
    };
    check(&[
        long("0123456789abcdef"),
        // Bytes count, not characters: 8 of them.
        long("éééééééé"),
        name("0123456789abcde").answers(Answer::Passed),
        name("ééééééé").answers(Answer::Passed),
        dots("."),
        dots(".."),
        name("...").answers(Answer::Passed),
        character("a/b"),
        character("a:b"),
        character("a b"),
        character("a\tb"),
        character("a\nb"),
        character("a\u{b}b"),
        character("a\u{85}b"),
        character("a\u{a0}b"),
        character("a\u{2003}b"),
        character("a\u{3000}b"),
        // ZERO WIDTH SPACE is no white space.
        name("a\u{200b}b").answers(Answer::Passed),
        name("eth%d").answers(Answer::ErrorBegins(4, "\"eth%d\" cannot name a network interface")).reference(
            Answer::Passed,
            "the kernel fills such a name in, and DEL would look for another link than ADD made",
        ),
    ]);
}

#[test]
fn a_malformed_variable_ends_the_reading_and_missing_ones_are_collected() {
    let container = Answer::Error(4, "invalid characters in containerID", "a b");
    let interface = Answer::Error(4, "interface name is . or ..", "");
    check(&[
        Vector::bare("ADD").named("bad container").var("CNI_CONTAINERID", "a b").answers(container.clone()),
        Vector::bare("ADD").named("bad interface").var("CNI_IFNAME", "..").answers(interface.clone()),
        vectors("ADD")
            .named("both bad")
            .var("CNI_CONTAINERID", "a b")
            .var("CNI_IFNAME", "..")
            .answers(container),
        vectors("ADD")
            .named("no container")
            .var("CNI_CONTAINERID", "")
            .var("CNI_IFNAME", "..")
            .answers(interface),
        Vector::bare("ADD")
            .named("bad stdin")
            .stdin("{")
            .answers(Answer::ErrorBegins(4, "required env variables")),
    ]);
}

#[test]
fn a_variable_that_the_command_does_not_need_is_not_looked_at() {
    let stale = |command: &str| {
        vectors(command)
            .var("CNI_CONTAINERID", "a b")
            .var("CNI_IFNAME", "0123456789abcdef")
            .var("CNI_NETNS", "dummy")
    };
    check(&[
        stale("GC").answers(Answer::Exactly("")),
        stale("STATUS").answers(Answer::ErrorBegins(50, "podnet cannot add pods")).reference(
            Answer::ErrorBegins(999, "failed to find plugin \"host-local\""),
            "addresses are handed out in the same process",
        ),
        vectors("ADD").named("of version 0.1.0").var("CNI_VERSION", "9.9.9").answers(Answer::Passed),
        vectors("ADD")
            .named("of a trace")
            .var("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .var("TRACESTATE", "a=b")
            .var("BAGGAGE", "a=b")
            .answers(Answer::Passed),
    ]);
}

#[test]
fn version_reads_no_variable_and_no_stdin() {
    let answer = Run::of(podnet()).var("CNI_COMMAND", "VERSION").reply().unwrap().document().unwrap();
    let podman =
        [("CNI_CONTAINERID", ""), ("CNI_IFNAME", "dummy"), ("CNI_NETNS", "dummy"), ("CNI_PATH", "dummy")];
    let libcni = [("CNI_NETNS", "dummy"), ("CNI_IFNAME", "dummy"), ("CNI_PATH", "dummy"), ("CNI_ARGS", "")];
    let nonsense =
        [("CNI_CONTAINERID", "a b"), ("CNI_IFNAME", "../.."), ("CNI_ARGS", ";=;"), ("CNI_NETNS", "/")];
    for placeholders in [&podman[..], &libcni, &nonsense] {
        let run = Run::of(podnet()).vars(placeholders).var("CNI_COMMAND", "VERSION");
        assert_eq!(run.stdin(r#"{"cniVersion":"1.0.0"}"#).reply().unwrap().document().unwrap(), answer);
    }
    // Nobody writes and nobody closes: whoever reads waits.
    let (reader, _writer) = std::io::pipe().unwrap();
    let silent = Run::of(podnet()).var("CNI_COMMAND", "VERSION").reply_to(reader).unwrap();
    assert_eq!(silent.document().unwrap(), answer);
}

#[test]
fn what_is_no_text_is_refused_where_a_text_is_needed() {
    let bytes = |name: &str| call("ADD").var(name, OsStr::from_bytes(b"a\xff")).reply().unwrap();
    for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        assert_refused(&bytes(name), 4, &[name, "not valid UTF-8"]);
    }
    assert_refused(&bytes("CNI_COMMAND"), 4, &["unknown CNI_COMMAND: a"]);
    for name in ["CNI_ARGS", "CNI_PATH", "CNI_VERSION"] {
        assert_passed(&bytes(name));
    }
}

#[test]
fn the_attachment_of_these_tests_is_complete() {
    for (name, _) in ATTACHMENT {
        assert_refused(&call("ADD").without(name).reply().unwrap(), 4, &[name]);
    }
    assert_passed(&call("ADD").reply().unwrap());
    assert_passed(&call("CHECK").reply().unwrap());
}
