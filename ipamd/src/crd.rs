//! The custom resources that this project reads and writes, as types; their schemas follow from these.

use kube::CustomResourceExt;

mod node_network_config;

pub use node_network_config::{
    Assignment, AssignmentMode, Container, ContainerType, NodeNetworkConfig, NodeNetworkConfigSpec,
    NodeNetworkConfigStatus, Scaler, container_status, status,
};

/// The definition of [`NodeNetworkConfig`], as `kubectl apply` takes it.
pub fn definition() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&NodeNetworkConfig::crd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_among_the_manifests_is_that_of_the_types() {
        let written = include_str!("../../conf/kubernetes/crds/nodenetworkconfigs.yaml");
        let (comments, definition): (Vec<&str>, Vec<&str>) =
            written.lines().partition(|line| line.starts_with('#'));
        assert!(!comments.is_empty());
        assert_eq!(
            definition.join("\n") + "\n",
            super::definition().unwrap(),
            "podnet-ipamd crds prints the right one"
        );
    }

    #[test]
    fn the_resource_has_the_names_that_azure_gave_it() {
        let definition = NodeNetworkConfig::crd();
        assert_eq!(definition.metadata.name.as_deref(), Some("nodenetworkconfigs.acn.azure.com"));
        assert_eq!(definition.spec.names.short_names, Some(vec!["nnc".to_owned()]));
        assert_eq!(definition.spec.scope, "Namespaced");
        let [version] = definition.spec.versions.as_slice() else { panic!("one version") };
        assert_eq!(version.name, "v1alpha");
        assert!(version.subresources.as_ref().is_some_and(|parts| parts.status.is_some()));
        let columns = version.additional_printer_columns.iter().flatten();
        let shown: Vec<&str> = columns
            .filter(|column| column.priority.unwrap_or_default() == 0)
            .map(|column| &*column.name)
            .collect();
        assert_eq!(shown, ["Allocated IPs", "NC Mode", "NC Version"]);
    }
}
