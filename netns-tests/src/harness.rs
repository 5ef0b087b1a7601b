//! From a table of named cases to libtest's command line: every case runs in its own [`sandbox`].

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::failure::{Failure, Missing, Outcome};
use crate::sandbox;

/// The argument before a case's name by which the test binary knows that it is in a sandbox.
const SANDBOXED: &str = "--sandboxed";

/// What a test does.
pub type Body = Box<dyn Fn() -> Outcome + Send + Sync>;

/// One test.
pub struct Case {
    /// `suite::subject::family::test`, unique.
    pub name: String,
    /// After this time it is killed and has failed.
    pub limit: Duration,
    /// The test itself, run in a sandbox.
    pub body: Body,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The whole of a test binary's `main`.
pub fn main(cases: Vec<Case>) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(SANDBOXED) {
        let name = arguments.next().unwrap_or_default();
        return sandbox::verdict(&run_here(&cases, &name));
    }
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect()).exit_code()
}

fn run_here(cases: &[Case], name: &str) -> Outcome {
    let case = cases
        .iter()
        .find(|case| case.name == name)
        .ok_or_else(|| Failure::failed(format!("there is no case named {name}")))?;
    sandbox::enter()?;
    (case.body)()
}

fn trial(case: Case) -> Trial {
    let Case { name, limit, .. } = case;
    Trial::ignorable_test(name.clone(), move || {
        match sandbox::run_isolated(&[SANDBOXED, &name], limit) {
            Ok(()) => Ok(Completion::Completed),
            // A complete machine has every tool: a skip there would hide a hole in the tests.
            Err(Failure::Skipped(Missing::Tool(reason))) if in_ci() => {
                Err(Failed::from(format!("CI lacks: {reason}")))
            }
            Err(Failure::Skipped(Missing::Tool(reason) | Missing::Feature(reason))) => {
                Ok(Completion::ignored_with(reason))
            }
            Err(Failure::Failed(text)) => Err(Failed::from(text)),
        }
    })
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
