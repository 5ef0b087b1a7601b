//! Configuration files as libcni loads them.

use serde_json::json;

use super::*;

fn inspect(content: &Value) -> InspectedList {
    NetworkList::inspect(content.to_string().as_bytes()).unwrap()
}

fn errors(content: &Value) -> Vec<String> {
    inspect(content).errors.iter().map(ToString::to_string).collect()
}

#[test]
fn entries_get_the_lists_name_and_version() {
    let content = json!({
        "cniVersion": "1.0.0", "name": "net", "disableCheck": "TRUE", "disableGC": true,
        "plugins": [{"type": "podnet", "name": "other", "capabilities": {"mac": true}}, {"Type": "portmap"}]
    });
    let InspectedList { list, errors, unknown } = inspect(&content);
    assert!(errors.is_empty() && unknown.is_empty(), "{errors:?} {unknown:?}");
    assert!(list.disable_check && list.disable_gc);
    let [first, second] = list.plugins.as_slice() else { panic!("{list:?}") };
    let expected =
        json!({"cniVersion": "1.0.0", "name": "net", "type": "podnet", "capabilities": {"mac": true}});
    assert_eq!(first, &expected);
    assert_eq!(second, &json!({"cniVersion": "1.0.0", "name": "net", "Type": "portmap"}));
}

#[test]
fn the_highest_known_version_is_taken() {
    let version = |cni_version: Value, cni_versions: Value| {
        let content = json!({"name": "n", "cniVersion": cni_version, "cniVersions": cni_versions, "plugins": [{"type": "x"}]});
        let InspectedList { list, errors, .. } = inspect(&content);
        assert!(errors.is_empty(), "{errors:?}");
        list.cni_version
    };
    assert_eq!(version(json!("0.3.1"), json!(["0.4.0", "1.0.0", "9.0.0"])), "1.0.0");
    assert_eq!(version(json!("1.1.0"), json!(["0.4.0"])), "1.1.0");
    assert_eq!(version(json!("9.9"), json!(["0.4.0"])), "0.4.0");
    assert_eq!(version(Value::Null, json!(["9.0.0"])), "");
    assert_eq!(version(json!("bogus"), json!([])), "bogus", "a single version is the plugins' to judge");
}

#[test]
fn a_single_plugin_is_a_list_of_one() {
    let InspectedList { list, errors, .. } =
        inspect(&json!({"cniVersion": "0.4.0", "Name": "net", "type": "podnet"}));
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!((list.name.as_str(), list.cni_version.as_str(), list.plugins.len()), ("net", "0.4.0", 1));
    assert_eq!(list.plugins[0]["name"], "net");
    assert_eq!(self::errors(&json!({"type": 5})), ["name: \"\": missing network name", "type: not a string"]);
}

#[test]
fn every_error_of_a_list_is_named() {
    let content = json!({
        "name": "../x", "cniVersion": 1, "cniVersions": ["1.0.0", "x", 5], "disableCheck": "yes",
        "plugins": [{"type": ""}, 5, {"type": 7}, {"type": "ok"}]
    });
    let mut found = errors(&content);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "cniVersion: invalid type: integer `1`, expected a string",
            "cniVersions[1]: invalid version \"x\": a part is not a number",
            "cniVersions[2]: invalid type: integer `5`, expected a string",
            "disableCheck: \"yes\": expected true, false, \"true\" or \"false\"",
            "name: \"../x\": invalid characters found in network name",
            "plugins[0].type: missing",
            "plugins[1]: not an object",
            "plugins[2].type: not a string",
        ]
    );
    assert_eq!(errors(&json!({"name": "n", "plugins": []})), ["plugins: no plugins in list"]);
    assert_eq!(
        errors(&json!({"name": "n", "loadOnlyInlinedPlugins": "True"})),
        ["plugins: missing, and loadOnlyInlinedPlugins is true"]
    );
    assert_eq!(errors(&json!({"name": "n"})), [""; 0], "the entries may lie in the network's folder");
    assert_eq!(
        errors(
            &json!({"name": "n", "cniVersion": "x", "cniVersions": ["1.0.0"], "plugins": [{"type": "x"}]})
        ),
        ["cniVersion: invalid version \"x\": a part is not a number"]
    );
}

#[test]
fn libcni_takes_the_lists_own_names_by_their_exact_spelling() {
    let InspectedList { unknown, errors, .. } =
        inspect(&json!({"Name": "n", "plugins": [{"type": "x"}], "note": 1}));
    let unknown: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(unknown, ["Name: unknown member, did you mean name?", "note: unknown member"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn what_is_no_object_is_refused() {
    assert!(matches!(NetworkList::inspect(b"{"), Err(ListError::Json(_))));
    assert!(matches!(NetworkList::inspect(b"[]"), Err(ListError::NoObject)));
}
