//! The member `kubernetes`: how the API server is reached, and which node this is.

use std::path::PathBuf;

use super::fields::{self, Fields, Problem};

/// How the API server is reached, and which node this is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kubernetes {
    /// `kubeconfig`: a file with the server and the credentials; none: the service account of the daemon's pod.
    pub kubeconfig: Option<PathBuf>,
    /// `node`: the name of this node's Node object; none: `NODE_NAME` or `NODENAME` of the environment, else the host's name.
    pub node: Option<String>,
}

impl Kubernetes {
    pub(super) fn decode(parent: &mut Fields, problems: &mut Vec<Problem>) -> Self {
        let Some(node) = parent.node("kubernetes") else { return Self::default() };
        let mut fields = Fields::of("kubernetes", node, problems);
        let kubernetes = Self {
            kubeconfig: fields.take("kubeconfig", fields::absolute_path, problems),
            node: fields.take("node", fields::text, problems),
        };
        fields.finish(problems);
        kubernetes
    }
}
