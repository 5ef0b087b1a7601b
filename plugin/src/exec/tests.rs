use std::os::unix::fs::PermissionsExt;

use super::*;

const LONG: Duration = Duration::from_secs(30);

/// Runs a shell script.
fn run(script: &str, input: &[u8], limit: Duration) -> Result<Ended, ExecError> {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("plugin");
    write(&program, script);
    Run { program: &program, args: &[], variables: &[("CNI_COMMAND", "ADD")], input, limit }.to_end()
}

fn write(program: &Path, script: &str) {
    std::fs::write(program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn input_variables_and_both_outputs_arrive() {
    let input = vec![b'x'; 300_000];
    let ended = run("echo $CNI_COMMAND $PATH >&2; cat; exit 3", &input, LONG).unwrap();
    assert_eq!((ended.status.code(), ended.stdout == input), (Some(3), true));
    let path = std::env::var("PATH").unwrap();
    assert_eq!(ended.stderr, format!("ADD {path}"));
}

#[test]
fn input_that_is_not_read_is_no_error() {
    assert_eq!(run("echo done", &vec![b'x'; 300_000], LONG).unwrap().stdout, b"done\n");
}

#[test]
fn who_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!("sleep 1000 & echo $! >> {pids}; exec >&- 2>&-; wait", pids = pids.display());
    let error = run(&script, b"", Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, ExecError::TooLong { .. }), "{error}");
    let sleeper = std::fs::read_to_string(&pids).unwrap();
    let stat = Path::new("/proc").join(sleeper.trim()).join("stat");
    let is_gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    let patience = Instant::now() + LONG;
    while !is_gone() {
        assert!(Instant::now() < patience, "{sleeper} still runs");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_leaves_a_child_behind_has_ended_all_the_same() {
    let begin = Instant::now();
    let ended = run("sleep 20 & echo answer", b"", LONG).unwrap();
    assert_eq!(ended.stdout, b"answer\n");
    assert!(begin.elapsed() < Duration::from_secs(15), "waited for a background child");
}

#[test]
fn endless_output_is_cut_off() {
    assert!(matches!(run("yes", b"", LONG), Err(ExecError::TooMuch { .. })));
}

#[test]
fn only_the_end_of_a_long_complaint_is_kept() {
    let ended = run("seq 1000 >&2", b"", LONG).unwrap();
    assert!(ended.stderr.len() <= KEPT_OF_STDERR && ended.stderr.ends_with("1000"), "{}", ended.stderr);
}

#[test]
fn a_file_that_is_being_written_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("plugin");
    write(&program, "echo there");
    let writer = File::options().write(true).open(&program).unwrap();
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            sleep(Duration::from_millis(200));
            drop(writer);
        });
        Run { program: &program, args: &[], variables: &[], input: b"", limit: LONG }.to_end()
    });
    assert_eq!(ended.unwrap().stdout, b"there\n");
}

#[test]
fn what_cannot_be_executed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("plugin");
    std::fs::write(&program, "text").unwrap();
    let error =
        Run { program: &program, args: &[], variables: &[], input: b"", limit: LONG }.to_end().unwrap_err();
    assert_eq!(error.to_string(), format!("cannot execute {}", program.display()));
}
