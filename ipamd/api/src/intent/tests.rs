use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn intent() -> Intent {
    Intent::new(&IpConfigsRequest {
        infra_container_id: "c1".to_owned(),
        pod_interface_id: "c1-eth0".to_owned(),
        ifname: "eth0".to_owned(),
        ..IpConfigsRequest::default()
    })
}

fn directory(form: Form) -> (tempfile::TempDir, std::path::PathBuf, Intents) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run/ipamd.sock.d");
    let intents = Intents::create(&path, form).unwrap();
    (parent, path, intents)
}

#[test]
fn an_intent_is_left_claimed_and_removed() {
    let (_parent, path, intents) = directory(Form::Podnet);
    intents.announce("pool-1").unwrap();
    intents.leave("0123", &intent()).unwrap();
    intents.leave("0123", &intent()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(path.join("0123")).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(intents.names().unwrap(), ["0123"]);
    let claimed = intents.claim("0123").unwrap().unwrap();
    assert_eq!(claimed.intent(), &Intent { pool: Some("pool-1".to_owned()), ..intent() });
    assert!(claimed.intent().is_for("pool-1") && !claimed.intent().is_for("pool-2"));
    claimed.remove().unwrap();
    assert!(intents.claim("0123").unwrap().is_none());
    assert!(intents.names().unwrap().is_empty());
}

#[test]
fn an_intent_of_no_pool_is_for_every_daemon() {
    let (_parent, _path, intents) = directory(Form::Podnet);
    intents.leave("0123", &intent()).unwrap();
    assert!(intents.claim("0123").unwrap().unwrap().intent().is_for("any"));
}

#[test]
fn the_pool_is_the_last_one_announced() {
    let (_parent, _path, intents) = directory(Form::Podnet);
    assert_eq!(intents.pool().unwrap(), None);
    intents.announce("a").unwrap();
    intents.announce("b").unwrap();
    assert_eq!(intents.pool().unwrap().as_deref(), Some("b"));
}

#[test]
fn withdrawing_waits_for_a_daemon_that_is_at_it() {
    let (_parent, _path, intents) = directory(Form::Podnet);
    assert!(!intents.withdraw("0123").unwrap());
    intents.leave("0123", &intent()).unwrap();
    assert!(intents.withdraw("0123").unwrap());
    intents.leave("0123", &intent()).unwrap();
    let claimed = intents.claim("0123").unwrap().unwrap();
    std::thread::scope(|scope| {
        let withdrawal = scope.spawn(|| intents.withdraw("0123").unwrap());
        claimed.remove().unwrap();
        assert!(!withdrawal.join().unwrap(), "it was applied and nevertheless withdrawn");
    });
}

#[test]
fn a_cns_is_told_in_its_own_form_and_so_are_we() {
    let (_parent, path, intents) = directory(Form::Cns);
    intents.leave("c1", &intent()).unwrap();
    assert_eq!(fs::read_to_string(path.join("c1")).unwrap(), "c1-eth0");
    let read = Intent::parse("c1", b"c1-eth0\n").unwrap().to_request();
    assert_eq!((read.infra_container_id.as_str(), read.pod_interface_id.as_str()), ("c1", "c1-eth0"));
}

#[test]
fn what_is_no_intent_is_said_and_left() {
    let (_parent, path, intents) = directory(Form::Podnet);
    fs::write(path.join("newer"), r#"{"schema": 2, "infraContainerID": "c", "podInterfaceID": "c"}"#)
        .unwrap();
    fs::write(path.join("words"), "two words").unwrap();
    fs::write(path.join("empty"), "").unwrap();
    fs::write(path.join("large"), "x".repeat(MAX_INTENT + 1)).unwrap();
    fs::create_dir(path.join("folder")).unwrap();
    fs::write(path.join("target"), "c1-eth0").unwrap();
    symlink(path.join("target"), path.join("link")).unwrap();
    for name in ["newer", "words", "empty", "large", "folder", "link"] {
        intents.claim(name).unwrap_err();
        assert!(path.join(name).symlink_metadata().is_ok(), "{name} is gone");
    }
}

#[test]
fn a_directory_that_others_can_reach_is_refused() {
    let (parent, path, _) = directory(Form::Podnet);
    for (form, mode) in [(Form::Podnet, 0o750), (Form::Podnet, 0o777), (Form::Cns, 0o775)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(Intents::create(&path, form), Err(IntentError::NotPrivate { .. })), "{mode:o}");
    }
    let link = parent.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(Intents::create(&link, Form::Podnet), Err(IntentError::Io { .. })));
}

#[test]
fn a_full_directory_takes_no_more() {
    let (_parent, path, intents) = directory(Form::Podnet);
    for number in 0..MAX_INTENTS {
        fs::write(path.join(number.to_string()), "").unwrap();
    }
    assert!(matches!(intents.leave("0123", &intent()), Err(IntentError::Full { .. })));
}
