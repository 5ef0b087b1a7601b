//! The golden vectors of the protocol: what the reference plugin `bridge` 1.9.1 was seen to answer.
//!
//! Those that need a network (a second ADD, results of every version, an address plugin that fails) are in
//! `netns-tests`.

use podnet_tests::Run;

use crate::request::{config, podnet};
use crate::vector::{Answer, Vector, check};

/// The answer to VERSION.
const VERSIONS: &str = r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}
"#;

#[test]
fn the_reference_vectors() {
    let valid = config().to_string();
    check(&[
        Vector::bare("VERSION").answers(Answer::Exactly(VERSIONS)),
        Vector::bare("VERSION").named("some JSON").stdin(r#"{"cniVersion":"9.9.9"}"#).answers(Answer::Exactly(VERSIONS)),
        Vector::bare("VERSION").named("no JSON").stdin("{").answers(Answer::Exactly(VERSIONS)),
        Vector::bare("add").stdin(r#"{"name":"x"}"#).answers(Answer::Error(4, "unknown CNI_COMMAND: add", "")),
        Vector::bare("NOPE").stdin(r#"{"name":"x"}"#).answers(Answer::Error(4, "unknown CNI_COMMAND: NOPE", "")),
        Vector::bare("ADD").stdin("{}").answers(Answer::Error(
            4,
            "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing",
            "",
        )),
        Vector::attached("ADD").named("half an object").stdin("{").answers(Answer::ErrorBegins(6, "error unmarshall network config: ")),
        Vector::attached("ADD").named("nothing").answers(Answer::ErrorBegins(6, "error unmarshall network config: ")),
        Vector::attached("ADD").named("no name").stdin("{}").answers(Answer::Error(7, "missing network name", "")),
        Vector::attached("ADD")
            .named("bad name")
            .stdin(r#"{"name":"a/b"}"#)
            .answers(Answer::Error(7, "invalid characters found in network name", "a/b")),
        Vector::attached("ADD").named("version of the future").stdin(r#"{"name":"x","cniVersion":"9.9.9"}"#).answers(
            Answer::Error(
                1,
                "incompatible CNI versions",
                r#"config is "9.9.9", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#,
            ),
        ),
        Vector::attached("ADD")
            .named("container with a blank")
            .var("CNI_CONTAINERID", "a b")
            .stdin(&*valid)
            .answers(Answer::Error(4, "invalid characters in containerID", "a b")),
        Vector::attached("ADD").named("interface of 16 characters").var("CNI_IFNAME", "0123456789abcdef").stdin(&*valid).answers(
            Answer::Error(4, "interface name is too long", "interface name should be less than 16 characters"),
        ),
        Vector::attached("ADD")
            .named("no sandbox")
            .stdin(&*valid)
            .answers(Answer::ErrorBegins(8, "network namespace /nonexistent/netns does not exist"))
            .reference(
                Answer::ErrorBegins(999, "failed to create bridge \"podnet-none\""),
                "everything is checked before anything is changed",
            ),
        Vector::attached("CHECK")
            .named("0.3.1")
            .stdin(r#"{"name":"x","cniVersion":"0.3.1"}"#)
            .answers(Answer::Error(1, "config version does not allow CHECK", "")),
        Vector::attached("CHECK")
            .named("adsf")
            .stdin(r#"{"name":"x","cniVersion":"adsf"}"#)
            .answers(Answer::Error(6, "invalid version \"adsf\": a part is not a number", ""))
            .reference(
                Answer::ErrorBegins(6, "failed to convert major version part \"adsf\""),
                "one wording for every malformed version",
            ),
        Vector::attached("CHECK")
            .named("2.0.0")
            .stdin(r#"{"name":"x","cniVersion":"2.0.0"}"#)
            .answers(Answer::Error(1, "plugin version does not allow CHECK", "")),
        Vector::attached("GC")
            .named("1.0.0")
            .stdin(r#"{"name":"x","cniVersion":"1.0.0"}"#)
            .answers(Answer::Error(1, "config version does not allow GC", "")),
        Vector::attached("STATUS")
            .named("1.0.0")
            .stdin(r#"{"name":"x","cniVersion":"1.0.0"}"#)
            .answers(Answer::Error(1, "config version does not allow STATUS", "")),
        Vector::bare("GC").stdin(&*valid).answers(Answer::Error(4, "required env variables [CNI_PATH] missing", "")),
        Vector::bare("STATUS").stdin(&*valid).answers(Answer::Error(4, "required env variables [CNI_PATH] missing", "")),
        Vector::bare("GC").named("no list").var("CNI_PATH", "/nonexistent").stdin(&*valid).answers(Answer::Exactly("")),
        Vector::attached("DEL")
            .named("own namespace")
            .var("CNI_NETNS", "/proc/self/ns/net")
            .stdin(&*valid)
            .answers(Answer::Error(8, "plugin's netns and netns from CNI_NETNS should not be the same", ""))
            .reference(
                Answer::ErrorBegins(999, ""),
                "a recycled namespace path must not cost the node its links: found out first, and not last",
            ),
    ]);
}

#[test]
fn without_a_command_it_tells_a_person_what_it_is() {
    let reply = Run::of(podnet()).stdin("{").reply().unwrap();
    reply.silence().unwrap();
    let lines: Vec<&str> = reply.stderr.lines().collect();
    let [name, versions] = lines.as_slice() else { panic!("wanted two lines: {reply}") };
    assert!(name.contains("CNI plugin podnet "), "{reply}");
    assert_eq!(*versions, "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0");
}
