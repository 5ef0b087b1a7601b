//! The demo: a node, two pods and a second node, all in namespaces of their own, driven through the reference runtime.
//!
//! `demo`, as root. Every step checks what it claims: the exit code is 0 only when all of them held. The story runs as
//! process 1 of a [`sandbox`], so that whatever ends it, Ctrl-C too, ends the sandbox and everything in it.

#[path = "../demo/claims.rs"]
mod claims;
#[path = "../demo/pings.rs"]
mod pings;
#[path = "../demo/remains.rs"]
mod remains;
#[path = "../demo/routed.rs"]
mod routed;
#[path = "../demo/screen.rs"]
mod screen;
#[path = "../demo/stage.rs"]
mod stage;
#[path = "../demo/stopwatch.rs"]
mod stopwatch;
#[path = "../demo/story.rs"]
mod story;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use podnet_netns_tests::failure::{Failure, Missing, Outcome};
use podnet_netns_tests::sandbox;

use screen::Screen;

/// The argument by which the program knows that it is in its sandbox.
const SANDBOXED: &str = "--sandboxed";
/// What a terminal, or whoever runs the demo, stops it with.
const STOPS: [Signal; 3] = [Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM];

fn main() -> ExitCode {
    let inside = std::env::args().nth(1).is_some_and(|argument| argument == SANDBOXED);
    let ended = if inside { in_the_sandbox() } else { around_the_sandbox() };
    ended.unwrap_or_else(|failure| {
        let (Failure::Failed(text) | Failure::Skipped(Missing::Tool(text) | Missing::Feature(text))) =
            failure;
        // Nobody to tell when standard error is closed.
        let _closed = writeln!(std::io::stderr(), "demo: {text}");
        ExitCode::FAILURE
    })
}

/// Waits for the sandbox, on Ctrl-C too: the terminal tells both, and the prompt comes after the last word.
fn around_the_sandbox() -> Result<ExitCode, Failure> {
    let mut terminal = SigSet::empty();
    terminal.add(Signal::SIGINT);
    terminal.thread_block()?;
    let status = sandbox::run_attached(&[SANDBOXED])?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// How the story came to its end.
enum End {
    Told(Outcome),
    Stopped(Signal),
}

/// Tells the story until it ends or a signal stops it. Process 1 has no default actions: a signal that nobody waits for
/// would be lost.
fn in_the_sandbox() -> Result<ExitCode, Failure> {
    sandbox::enter()?;
    let stops: SigSet = STOPS.into_iter().collect();
    // Before the first thread, which inherits it.
    stops.thread_block()?;
    let (teller, ends) = mpsc::channel();
    let watcher = teller.clone();
    thread::spawn(move || teller.send(End::Told(story::tell(&Screen::new()))));
    thread::spawn(move || stops.wait().map(|signal| watcher.send(End::Stopped(signal))));
    match ends.recv()? {
        End::Told(outcome) => outcome.map(|()| ExitCode::SUCCESS),
        End::Stopped(signal) => {
            // The terminal may be what is gone.
            let _closed =
                writeln!(std::io::stderr(), "\ndemo: stopped; the sandbox goes, and all that is in it");
            Ok(ExitCode::from(128_u8.saturating_add(u8::try_from(signal as i32)?)))
        }
    }
}
