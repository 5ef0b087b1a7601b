//! A network configuration and the runtime's part in using it: what libcni does, without libcni.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::failure::{Context as _, Failure};
use crate::netns::{Netns, Place};
use crate::process::{Finished, command, run};
use crate::reply::{self, Added};
use crate::subject::{Family, Subject};

/// A pod: a namespace, and the names by which a runtime speaks of its attachment.
#[derive(Debug)]
pub struct Pod {
    /// Its namespace.
    pub netns: Netns,
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

impl Pod {
    /// A pod with a fresh namespace of the same name.
    pub fn create(name: &str) -> Result<Self, Failure> {
        Ok(Self { netns: Netns::create(name)?, container: format!("{name}-sandbox"), ifname: "eth0".into() })
    }

    /// `CNI_NETNS`.
    pub fn netns_path(&self) -> String {
        self.netns.path().display().to_string()
    }
}

impl<'a> From<&'a Pod> for Place<'a> {
    fn from(pod: &'a Pod) -> Self {
        Self::from(&pod.netns)
    }
}

/// A network of one or more plugins, the last of which usually is the subject.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The configuration's version, and so the results'.
    pub version: String,
    /// The plugins' entries, in order.
    pub plugins: Vec<Value>,
    /// `CNI_PATH`.
    pub path: Vec<PathBuf>,
}

impl Network {
    /// The subject alone, with the newest version.
    pub fn of(subject: Subject, family: Family) -> Result<Self, Failure> {
        Ok(Self {
            name: "kubenet".into(),
            version: "1.1.0".into(),
            plugins: vec![subject.entry(family)],
            path: vec![subject.folder()?],
        })
    }

    /// The same with a member of the first plugin's entry set; `pointer` is a JSON pointer such as `/ipam/dataDir`.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, member) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        let parent = self.plugins.first_mut().and_then(|entry| entry.pointer_mut(parent));
        if let Some(Value::Object(members)) = parent {
            members.insert(member.to_owned(), value.into());
        }
        self
    }

    /// The same in another configuration version.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// The list as a file holds it.
    pub fn conflist(&self) -> Value {
        json!({"cniVersion": self.version, "name": self.name, "plugins": self.plugins})
    }

    /// The configuration that plugin `index` gets on standard input, with `extra` members.
    pub fn config(&self, index: usize, extra: &[(&str, Value)]) -> Result<Value, Failure> {
        let mut members: Map<String, Value> =
            self.plugins.get(index).and_then(Value::as_object).cloned().doing("no such plugin")?;
        members.insert("name".into(), self.name.as_str().into());
        members.insert("cniVersion".into(), self.version.as_str().into());
        for (name, value) in extra {
            members.insert((*name).to_owned(), value.clone());
        }
        Ok(Value::Object(members))
    }

    /// The command that starts plugin `index`, with all six variables set as libcni sets them.
    pub fn command(&self, index: usize, verb: &str, pod: Option<&Pod>) -> Result<Command, Failure> {
        let kind =
            self.plugins.get(index).and_then(|entry| entry["type"].as_str()).doing("the plugin's type")?;
        let binary = self.path.iter().map(|folder| folder.join(kind)).find(|path| path.exists());
        let mut plugin = command(binary.doing(format_args!("{kind} in {:?}", self.path))?, [""; 0]);
        plugin
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", pod.map_or("", |pod| &pod.container))
            .env("CNI_NETNS", pod.map(Pod::netns_path).unwrap_or_default())
            .env("CNI_IFNAME", pod.map_or("", |pod| &pod.ifname))
            .env("CNI_ARGS", "")
            .env("CNI_PATH", std::env::join_paths(&self.path)?);
        Ok(plugin)
    }

    /// One verb of the first plugin with `extra` members in its configuration; the reply is not judged.
    pub fn call(&self, verb: &str, pod: Option<&Pod>, extra: &[(&str, Value)]) -> Result<Finished, Failure> {
        run(&mut self.command(0, verb, pod)?, self.config(0, extra)?.to_string().as_bytes())
    }

    /// ADD through all plugins, each given the result of the one before.
    pub fn add(&self, pod: &Pod) -> Result<Added, Failure> {
        let mut previous: Option<Added> = None;
        for index in 0..self.plugins.len() {
            let extra: Vec<_> = previous.iter().map(|result| ("prevResult", result.0.clone())).collect();
            let config = self.config(index, &extra)?.to_string();
            previous =
                Some(reply::result(run(&mut self.command(index, "ADD", Some(pod))?, config.as_bytes())?)?);
        }
        previous.doing("a network without plugins")
    }

    /// CHECK through all plugins, each given the final result.
    pub fn check(&self, pod: &Pod, added: &Added) -> Result<(), Failure> {
        for index in 0..self.plugins.len() {
            let config = self.config(index, &[("prevResult", added.0.clone())])?.to_string();
            reply::silence(run(&mut self.command(index, "CHECK", Some(pod))?, config.as_bytes())?)?;
        }
        Ok(())
    }

    /// DEL through all plugins, last one first, each given the final result where the runtime still has it.
    pub fn del(&self, pod: &Pod, added: Option<&Added>) -> Result<(), Failure> {
        let extra: Vec<_> = added.iter().map(|result| ("prevResult", result.0.clone())).collect();
        for index in (0..self.plugins.len()).rev() {
            let config = self.config(index, &extra)?.to_string();
            reply::silence(run(&mut self.command(index, "DEL", Some(pod))?, config.as_bytes())?)?;
        }
        Ok(())
    }
}
