//! The programs of the story: each is run as a person would run it, shown, and given back for judgement.

use std::fs;
use std::path::PathBuf;

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::ensure;
use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::installed;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::{self, Finished, run};
use podnet_netns_tests::reply;
use podnet_netns_tests::subject::Subject;
use podnet_netns_tests::tools::{self, CnitoolVersion};
use serde_json::Value;

use crate::claims;
use crate::screen::Screen;

/// The network configurations of the story, in the workspace: as they are shipped.
pub(crate) const CONFLIST: &str = "conf/kubenet-dual.conflist";
/// See [`CONFLIST`].
pub(crate) const ROUTED: &str = "conf/vnet-dual.conflist";

/// Everything that a step needs.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) screen: &'a Screen,
    /// The network's list, decoded.
    pub(crate) conflist: Value,
    podnet: PathBuf,
    cnitool: Cnitool,
}

impl<'a> Stage<'a> {
    /// Finds the programs and loads the network of a file of the workspace.
    pub(crate) fn set(screen: &'a Screen, file: &str) -> Result<Self, Failure> {
        let file = tools::workspace().join(file);
        let conflist: Value = serde_json::from_str(&fs::read_to_string(&file).doing(file.display())?)?;
        let cnitool = load(&conflist)?;
        Ok(Self { screen, podnet: tools::podnet()?, conflist, cnitool })
    }

    /// `cnitool VERB` on the story's network.
    pub(crate) fn cnitool(&self, verb: &str, pod: &Pod) -> Result<Finished, Failure> {
        self.shown(self.cnitool.run(verb, pod)?)
    }

    /// `cnitool VERB` with another configuration of the story's network, for this once.
    pub(crate) fn cnitool_with(&self, conflist: &Value, verb: &str, pod: &Pod) -> Result<Finished, Failure> {
        let finished = load(conflist)?.run(verb, pod);
        load(&self.conflist)?;
        self.shown(finished?)
    }

    /// ADD, with its result in few lines.
    pub(crate) fn add(&self, pod: &Pod) -> Result<reply::Added, Failure> {
        let added = reply::result(self.cnitool("add", pod)?)?;
        self.screen.output(&claims::summary(&added)?)?;
        Ok(added)
    }

    /// A verb that has to succeed, and so says nothing.
    pub(crate) fn silent(&self, verb: &str, pod: &Pod, meaning: &str) -> Result<(), Failure> {
        reply::silence(self.cnitool(verb, pod)?)?;
        Ok(self.screen.good(meaning)?)
    }

    /// Shows why a command failed, which has to name each of `wanted`.
    pub(crate) fn refused(&self, finished: &Finished, wanted: &[&str]) -> Result<(), Failure> {
        let clauses = claims::refusal(finished, wanted)?;
        Ok(self.screen.refused(clauses.iter().map(String::as_str))?)
    }

    /// `podnet ARGS`, run in the workspace.
    pub(crate) fn podnet(&self, args: &[&str]) -> Result<Finished, Failure> {
        let mut command = process::command(&self.podnet, args);
        self.shown(run(command.current_dir(tools::workspace()), b"")?)
    }

    /// A tool that has to succeed.
    pub(crate) fn tool(&self, words: &[&str]) -> Result<(), Failure> {
        self.screen.command(&words.join(" "))?;
        process::tool(words).map(drop)
    }

    /// `podnet ARGS`, which has to succeed, and what it prints, which has to name each of `wanted`.
    pub(crate) fn prints(&self, args: &[&str], wanted: &[impl AsRef<str>]) -> Result<(), Failure> {
        let text = self.podnet(args)?.success()?;
        self.screen.output(&text)?;
        for name in wanted.iter().map(AsRef::as_ref) {
            ensure!(text.contains(name), "`podnet {}` was to name {name}:\n{text}", args.join(" "));
        }
        Ok(())
    }

    /// `podnet doctor`, which has to say this among all that it says.
    pub(crate) fn doctor(&self, wanted: &str) -> Result<(), Failure> {
        let finished = self.podnet(&[
            "doctor",
            "--conf-dir",
            installed::CONFIGURATIONS,
            "--bin-dir",
            installed::PLUGINS,
        ])?;
        self.screen.output(&finished.stdout)?;
        ensure!(finished.stdout.contains(wanted), "it was to say {wanted:?}: {finished}");
        Ok(())
    }

    fn shown(&self, finished: Finished) -> Result<Finished, Failure> {
        self.screen.command(&claims::command_line(&finished.argv))?;
        Ok(finished)
    }
}

fn load(conflist: &Value) -> Result<Cnitool, Failure> {
    Cnitool::load(CnitoolVersion::V1_3_1, conflist, &Subject::Podnet.folder()?)
}
