//! conf/kubernetes: the manifests agree with each other, with the programs and with the image.

use std::fs;
use std::path::{Path, PathBuf};

use podnet_tests::{Program, Run, workspace};
use serde_json::Value;

mod access;
mod masquerade;

const OVERLAYS: [&str; 4] = ["kubenet", "vnet", "overlay", "host-gw"];

fn folder(name: &str) -> PathBuf {
    workspace().join("conf/kubernetes").join(name)
}

/// All documents of a file.
fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kustomization(folder: &Path) -> Value {
    documents(&folder.join("kustomization.yaml")).remove(0)
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The objects that a kustomization brings, its patches aside, and those that its generators make.
fn objects(folder: &Path) -> Vec<Value> {
    let kustomization = kustomization(folder);
    let mut objects = Vec::new();
    for resource in texts(&kustomization["resources"]) {
        let path = folder.join(resource);
        objects.extend(if path.is_dir() { self::objects(&path) } else { documents(&path) });
    }
    for generated in kustomization["configMapGenerator"].as_array().into_iter().flatten() {
        let name = &generated["name"];
        objects.push(serde_json::json!({"kind": "ConfigMap", "metadata": {"name": name}}));
    }
    objects
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn names(objects: &[&Value]) -> Vec<String> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn containers(pod: &Value) -> Vec<&Value> {
    let of = |member: &str| pod[member].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers")).collect()
}

/// The pod of each DaemonSet and Deployment.
fn pods(objects: &[Value]) -> Vec<(String, &Value)> {
    let sets = ["DaemonSet", "Deployment"].into_iter().flat_map(|kind| of_kind(objects, kind));
    sets.map(|set| (set["metadata"]["name"].as_str().unwrap().to_owned(), &set["spec"]["template"]["spec"]))
        .collect()
}

#[test]
fn every_file_is_of_use_to_a_kustomization() {
    for name in ["base", "masq-agent", "grant", "crds", "watch-nodes", "dual-stack"]
        .into_iter()
        .map(folder)
        .chain(OVERLAYS.map(|name| folder("overlays").join(name)))
    {
        let kustomization = kustomization(&name);
        let mut named: Vec<String> =
            texts(&kustomization["resources"]).into_iter().map(str::to_owned).collect();
        for generated in kustomization["configMapGenerator"].as_array().into_iter().flatten() {
            named.extend(texts(&generated["files"]).into_iter().map(str::to_owned));
        }
        for patch in kustomization["patches"].as_array().into_iter().flatten() {
            named.push(patch["path"].as_str().unwrap().to_owned());
        }
        for file in &named {
            assert!(name.join(file).exists(), "{} names {file}", name.display());
        }
        for entry in fs::read_dir(&name).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                file == "kustomization.yaml" || named.contains(&file),
                "{}/{file} is nobody's",
                name.display()
            );
        }
    }
}

#[test]
fn every_container_has_the_image_that_is_built_and_no_more_than_it_needs() {
    let image = format!("docker.io/podnet/podnet:{}", env!("CARGO_PKG_VERSION"));
    let script = fs::read_to_string(workspace().join("conf/images/build")).unwrap();
    assert!(script.contains("docker.io/podnet/podnet:"), "another image is built");
    let mut objects = objects(&folder("overlays/vnet"));
    objects.extend(self::objects(&folder("grant")));
    assert_eq!(pods(&objects).len(), 3);
    for (name, pod) in pods(&objects) {
        for container in containers(pod) {
            assert_eq!(container["image"], image, "{name}");
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]), "{name}");
            assert!(security["privileged"].is_null(), "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        }
    }
}

#[test]
fn the_daemons_come_first_on_a_node_and_stay_there() {
    for (name, pod) in pods(&objects(&folder("base"))) {
        assert_eq!(pod["hostNetwork"], true, "{name}");
        assert_eq!(pod["priorityClassName"], "system-node-critical", "{name}");
        let tolerations = pod["tolerations"].as_array().unwrap();
        assert!(tolerations.contains(&serde_json::json!({"operator": "Exists"})), "{name}");
        let probed = &pod["containers"][0];
        let port = if name == "podnet-ipamd" { 10092 } else { 10094 };
        for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            let expected = serde_json::json!({"host": "127.0.0.1", "port": port, "path": path});
            assert_eq!(probed[probe]["httpGet"], expected, "{name}");
        }
    }
}

#[test]
fn what_is_mounted_is_there_and_what_is_referred_to_has_a_name() {
    for overlay in OVERLAYS.map(|name| folder("overlays").join(name)).into_iter().chain([folder("grant")]) {
        let objects = objects(&overlay);
        let overlay = overlay.display();
        let maps = names(&of_kind(&objects, "ConfigMap"));
        let accounts = names(&of_kind(&objects, "ServiceAccount"));
        for (name, pod) in pods(&objects) {
            let volumes = pod["volumes"].as_array().unwrap();
            for mount in
                containers(pod).iter().flat_map(|container| container["volumeMounts"].as_array().unwrap())
            {
                assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{name}: {mount}");
            }
            for map in volumes.iter().filter_map(|volume| volume["configMap"]["name"].as_str()) {
                assert!(maps.iter().any(|known| known == map), "{overlay}: {name}: no ConfigMap {map}");
            }
            if let Some(account) = pod["serviceAccountName"].as_str() {
                assert!(
                    accounts.iter().any(|known| known == account),
                    "{overlay}: {name}: no account {account}"
                );
            }
        }
        for (binding, role) in [("RoleBinding", "Role"), ("ClusterRoleBinding", "ClusterRole")] {
            let roles = names(&of_kind(&objects, role));
            for binding in of_kind(&objects, binding) {
                assert_eq!(binding["roleRef"]["kind"], role);
                assert!(roles.iter().any(|known| binding["roleRef"]["name"] == **known), "{binding}");
                assert!(accounts.iter().any(|known| binding["subjects"][0]["name"] == **known), "{binding}");
            }
            for role in of_kind(&objects, role) {
                assert!(!role.to_string().contains("\"*\""), "{role}");
            }
        }
    }
}

/// A strategic merge finds containers by their names: one of another name would be a new container.
#[test]
fn patches_are_of_containers_that_are_there() {
    for overlay in OVERLAYS.map(|name| folder("overlays").join(name)) {
        let objects = objects(&overlay);
        let pods = pods(&objects);
        for patch in kustomization(&overlay)["patches"].as_array().into_iter().flatten() {
            for patch in documents(&overlay.join(patch["path"].as_str().unwrap())) {
                let name = patch["metadata"]["name"].as_str().unwrap();
                let (_, pod) = pods.iter().find(|(set, _)| set == name).unwrap();
                for container in containers(&patch["spec"]["template"]["spec"]) {
                    let is_there = containers(pod).iter().any(|known| known["name"] == container["name"]);
                    assert!(is_there, "{}: {name} has no such container: {container}", overlay.display());
                }
            }
        }
    }
}

#[test]
fn the_daemon_accepts_what_every_overlay_tells_it_and_can_write_where_that_says() {
    let ipamd = Program::ipamd().unwrap();
    let base = objects(&folder("base"));
    let pod = pods(&base).into_iter().find(|(name, _)| name == "podnet-ipamd").unwrap().1;
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let is_writable = |path: &str| {
        let covers = |mount: &&Value| Path::new(path).starts_with(mount["mountPath"].as_str().unwrap());
        mounts.iter().find(covers).is_some_and(|mount| mount["readOnly"].is_null())
    };
    for overlay in OVERLAYS {
        let file = folder("overlays").join(overlay).join("ipamd.yaml");
        let copy = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        fs::copy(&file, copy.path()).unwrap();
        let reply = Run::of(&ipamd).arg("check-config").arg("--config").arg(copy.path()).reply().unwrap();
        assert_eq!(reply.code, Some(0), "{overlay}: {reply:?}");
        let config = documents(&file).remove(0);
        assert!(is_writable("/run/podnet"), "{overlay}: the state");
        let conflist = config["conflist"]["path"].as_str().unwrap();
        let around = Path::new(conflist).parent().and_then(Path::parent).unwrap();
        assert!(is_writable(around.to_str().unwrap()), "{overlay}: {}", around.display());
    }
}
