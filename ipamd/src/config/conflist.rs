//! The member `conflist`: what tells the container runtime that the node's network is ready.

use std::path::PathBuf;

use super::document::Node;
use super::fields::{self, Fields, Problem};
use super::source::Source;

/// The network configuration list that is there while the daemon can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflist {
    /// `path`: the file, in the directory that the container runtime watches.
    pub path: PathBuf,
    /// `template`: what it says.
    pub template: Template,
}

/// The templates that are compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// `vnet-transparent`: pods of mode vnet, routed.
    VnetTransparent,
    /// `vnet-bridge`: pods of mode vnet, on a bridge in place of the node's link.
    VnetBridge,
    /// `kubenet`: pods on the bridge `cbr0`, with addresses of this daemon.
    Kubenet,
    /// `kubenet-host-local`: pods on the bridge `cbr0`, with addresses of the node's pod ranges that the plugin keeps itself.
    KubenetHostLocal,
}

impl Conflist {
    pub(super) fn decode(
        parent: &mut Fields,
        source: Option<&Source>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut fields = Fields::of("conflist", parent.node("conflist")?, problems);
        let path = fields.take("path", conflist_path, problems);
        let template = fields.take("template", template, problems);
        for (name, is_missing) in [("path", path.is_none()), ("template", template.is_none())] {
            if is_missing {
                fields.missing(name, problems);
            }
        }
        let has_ranges = source.is_none_or(|source| matches!(source, Source::PodCidr(_)));
        if template == Some(Template::KubenetHostLocal) && !has_ranges {
            let says =
                "kubenet-host-local gives pods the whole of the node's ranges, which only source podCIDR has";
            let (line, field) = (fields.line, fields.name_of("template"));
            problems.push(Problem { line, field, says: says.to_owned() });
        }
        fields.finish(problems);
        Some(Self { path: path?, template: template? })
    }
}

/// The runtime reads `.conf`, `.conflist` and `.json` only.
fn conflist_path(node: &Node) -> Result<PathBuf, String> {
    let path = fields::absolute_path(node)?;
    if path.extension().is_some_and(|extension| extension == "conflist") {
        Ok(path)
    } else {
        Err(format!("{} does not end in .conflist: no container runtime would read it", path.display()))
    }
}

fn template(node: &Node) -> Result<Template, String> {
    match fields::text(node)?.as_str() {
        "vnet-transparent" => Ok(Template::VnetTransparent),
        "vnet-bridge" => Ok(Template::VnetBridge),
        "kubenet" => Ok(Template::Kubenet),
        "kubenet-host-local" => Ok(Template::KubenetHostLocal),
        other => Err(format!(
            "there is no template {other:?}, only vnet-transparent, vnet-bridge, kubenet, \
                 kubenet-host-local"
        )),
    }
}
