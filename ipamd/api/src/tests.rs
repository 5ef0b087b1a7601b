//! The contract byte for byte, as recorded from Azure's clients and a running CNS.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::debug::{AddressesReply, AddressesRequest, IpState, PodContextReply, RestDataReply};
use crate::endpoint::{EndpointPatch, EndpointReply, IpMask};

/// Reads `text` and writes it again: the same bytes.
fn same<T: DeserializeOwned + Serialize>(text: &str) -> T {
    let read: T = decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {text}"));
    assert_eq!(String::from_utf8(encode(&read)).unwrap(), text);
    read
}

const AZURE_IPAM: &str = concat!(
    r#"{"desiredIPAddresses":null,"podInterfaceID":"c0ffee01","infraContainerID":"c0ffee01","#,
    r#""orchestratorContext":{"podName":"p","podNamespace":"ns"},"ifname":"eth0","#,
    r#""secondaryInterfacesExist":false,"BackendInterfaceExist":false,"BacknendInterfaceMacAddress":null}"#
);

const GRANTED: &str = concat!(
    r#"{"podIPInfo":[{"PodIPConfig":{"IPAddress":"10.244.2.35","PrefixLength":16},"#,
    r#""NetworkContainerPrimaryIPConfig":{"IPSubnet":{"IPAddress":"10.244.0.0","PrefixLength":16},"#,
    r#""IPSubnetV6":{"IPAddress":"","PrefixLength":0},"DNSServers":null,"GatewayIPAddress":"","#,
    r#""GatewayIPv6Address":""},"NetworkContainerIPv6Config":{"IPSubnet":{"IPAddress":"","PrefixLength":0},"#,
    r#""IPSubnetV6":{"IPAddress":"","PrefixLength":0},"DNSServers":null,"GatewayIPAddress":"","#,
    r#""GatewayIPv6Address":""},"HostPrimaryIPInfo":{"Gateway":"10.224.0.1","PrimaryIP":"10.224.0.4","#,
    r#""Subnet":"10.224.0.0/16"},"NICType":"InfraNIC","InterfaceName":"","MacAddress":"","#,
    r#""SkipDefaultRoutes":false,"Routes":null,"PnPID":"","EndpointPolicies":null,"#,
    r#""AllowHostToNCCommunication":false,"AllowNCToHostCommunication":false,"NetworkContainerID":""}],"#,
    r#""response":{"ReturnCode":0,"Message":""}}"#
);

#[test]
fn what_azure_ipam_asks() {
    let request: IpConfigsRequest = same(AZURE_IPAM);
    assert_eq!(request.pod().unwrap(), PodRef { pod_name: "p".to_owned(), pod_namespace: "ns".to_owned() });
    assert_eq!(
        encode(&IpConfigsRequest {
            orchestrator_context: request.pod().unwrap().to_context(),
            ..request.clone()
        }),
        encode(&request)
    );
}

#[test]
fn what_is_answered_to_it() {
    let reply: IpConfigsReply = same(GRANTED);
    assert_eq!(reply.pod_ip_info.unwrap()[0].network_container_primary_ip_config.ip_subnet.prefix_length, 16);
}

#[test]
fn an_exhausted_pool_answers_with_one_empty_element() {
    let reply = IpConfigsReply::exhausted("AllocateIPConfig failed: not enough IPs available");
    let json: Value = serde_json::from_slice(&encode(&reply)).unwrap();
    assert_eq!(json["podIPInfo"].as_array().unwrap().len(), 1);
    assert_eq!(json["podIPInfo"][0]["PodIPConfig"], json!({"IPAddress": "", "PrefixLength": 0}));
    assert_eq!(json["response"]["ReturnCode"], 32);
    assert_eq!(reply.response.return_code.to_string(), "FailedToAllocateIpConfig (32)");
}

#[test]
fn a_release_and_a_missing_context_answer_without_addresses() {
    same::<IpConfigsReply>(r#"{"podIPInfo":null,"response":{"ReturnCode":0,"Message":""}}"#);
    let text = r#"{"podIPInfo":null,"response":{"ReturnCode":33,"Message":"OrchestratorContext is not set in the req: {}"}}"#;
    let reply: IpConfigsReply = same(text);
    assert_eq!(reply.response.return_code, ReturnCode::EMPTY_ORCHESTRATOR_CONTEXT);
}

#[test]
fn the_single_form_begins_with_capitals() {
    let request: IpConfigRequest = same(concat!(
        r#"{"DesiredIPAddress":"10.0.0.5","PodInterfaceID":"c0ffee01-eth0","InfraContainerID":"c0ffee0123","#,
        r#""OrchestratorContext":{"PodName":"p","PodNamespace":"ns"},"Ifname":""}"#
    ));
    let several = IpConfigsRequest::from(request.clone());
    assert_eq!(several.desired_ip_addresses.as_deref().unwrap(), ["10.0.0.5"]);
    assert_eq!(IpConfigRequest::from(several), request);

    let reply: IpConfigsReply = decode(GRANTED.as_bytes()).unwrap();
    let single = IpConfigReply::from(reply.clone());
    let json: Value = serde_json::from_slice(&encode(&single)).unwrap();
    assert_eq!(json["PodIpInfo"]["PodIPConfig"]["IPAddress"], "10.244.2.35");
    assert_eq!(json["Response"], json!({"ReturnCode": 0, "Message": ""}));
    assert_eq!(IpConfigsReply::from(single), reply);
}

#[test]
fn keys_match_in_any_letter_case_the_misspelt_one_too() {
    let request: IpConfigsRequest = decode(
        br#"{"PODINTERFACEID": "a", "InfraContainerId": "b", "OrchestratorContext": {"PodName": "p", "PODNAMESPACE": "ns"},
            "backnendinterfacemacaddress": ["00:11"], "future": {"x": 1}}"#,
    )
    .unwrap();
    assert_eq!((request.pod_interface_id.as_str(), request.infra_container_id.as_str()), ("a", "b"));
    assert_eq!(request.backend_interface_mac_addresses.as_deref().unwrap(), ["00:11"]);
    assert_eq!(request.pod().unwrap().pod_namespace, "ns");
}

#[test]
fn a_context_that_names_no_pod_has_a_code() {
    let code = |context: Value| PodRef::from_context(&context).unwrap_err().code();
    assert_eq!(code(Value::Null), ReturnCode::EMPTY_ORCHESTRATOR_CONTEXT);
    for context in [json!("base64"), json!({}), json!({"podName": "p"}), json!({"podName": 7}), json!([])] {
        assert_eq!(code(context), ReturnCode::UNSUPPORTED_ORCHESTRATOR_CONTEXT);
    }
}

#[test]
fn endpoints_have_their_masks_in_base64() {
    same::<EndpointReply>(concat!(
        r#"{"response":{"ReturnCode":0,"Message":"[GetEndpointState] GetEndpoint retruned successfully"},"#,
        r#""endpointInfo":{"PodName":"p1","PodNamespace":"ns1","IfnameToIPMap":{"eth0":{"IPv4":[{"IP":"10.224.1.13","#,
        r#""Mask":"AAAAAA=="}],"HostVethName":"azv1234","MacAddress":"aa:bb","NICType":"InfraNIC"}}}}"#
    ));
    let patch: EndpointPatch =
        decode(br#"{"eth0": {"NICType": "InfraNIC", "HostVethName": "azv1", "ipv6": null}}"#).unwrap();
    assert_eq!(patch["eth0"].host_veth_name, "azv1");
    for (address, prefix_len, mask) in [
        ("10.0.0.1", 16, "//8AAA=="),
        ("10.0.0.1", 0, "AAAAAA=="),
        ("10.0.0.1", 32, "/////w=="),
        ("10.0.0.1", 99, "/////w=="),
        ("fd00::1", 64, "//////////8AAAAAAAAAAA=="),
    ] {
        assert_eq!(IpMask::new(address.parse().unwrap(), prefix_len).mask, mask, "{address}/{prefix_len}");
    }
}

#[test]
fn the_debug_pages_are_cnss() {
    let asked: AddressesRequest =
        same(r#"{"IPConfigStateFilter":["Assigned","Available","PendingRelease","PendingProgramming"]}"#);
    assert_eq!(asked.state_filter.unwrap().len(), 4);
    let reply: AddressesReply = same(concat!(
        r#"{"IPConfigurationStatus":[{"state":"Assigned","ID":"10.224.1.20","IPAddress":"10.224.1.20","#,
        r#""LastStateTransition":"2026-11-01T10:00:00.123456789Z","NCID":"nc","PodInfo":{"podName":"p2","podNamespace":"ns2","#,
        r#""PodInfraContainerID":"x2","PodInterfaceID":"x2-eth0","Version":2,"SecondaryInterfaceSet":false}},"#,
        r#"{"state":"Available","ID":"a","IPAddress":"10.224.1.21","LastStateTransition":"","NCID":"nc","PodInfo":null}],"#,
        r#""Response":{"ReturnCode":0,"Message":""}}"#
    ));
    assert_eq!(reply.addresses.unwrap()[1].state, IpState::Available);
    same::<PodContextReply>(
        r#"{"PodContext":{"x2-eth0":["10.224.1.20"]},"Response":{"ReturnCode":0,"Message":""}}"#,
    );
    same::<RestDataReply>(concat!(
        r#"{"HTTPRestServiceData":{"PodIPIDByPodInterfaceKey":{"x2-eth0":["a"]},"PodIPConfigState":{"a":{"state":"Available","#,
        r#""ID":"a","IPAddress":"10.224.1.21","LastStateTransition":"","NCID":"nc","PodInfo":null}}},"#,
        r#""Response":{"ReturnCode":0,"Message":""}}"#
    ));
    let newer: AddressesReply =
        decode(br#"{"IPConfigurationStatus": [{"state": "Dreaming", "ID": "a", "IPAddress": "10.0.0.1"}]}"#)
            .unwrap();
    assert_eq!(newer.addresses.unwrap()[0].state, IpState::Unknown);
}

#[test]
fn bodies_that_are_none_are_told_apart() {
    assert!(matches!(decode::<IpConfigsRequest>(b"{\"podInterfaceID\": "), Err(WireError::NotJson(_))));
    let error = decode::<IpConfigsRequest>(b"{\"podInterfaceID\": 7}").unwrap_err();
    let WireError::Shape(cause) = &error else { panic!("{error:?}") };
    assert_eq!(cause.path(), "podInterfaceID");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode::<IpConfigsRequest>(&body).ok();
        decode::<IpConfigsReply>(&body).ok();
    }

    #[test]
    fn requests_survive_the_wire(
        ids in (".*", ".*", ".*"),
        desired in proptest::option::of(proptest::collection::vec(".*", 0..3)),
        is_secondary in any::<bool>(),
    ) {
        let request = IpConfigsRequest {
            desired_ip_addresses: desired,
            pod_interface_id: ids.0,
            infra_container_id: ids.1,
            ifname: ids.2,
            secondary_interfaces_exist: is_secondary,
            ..IpConfigsRequest::default()
        };
        prop_assert_eq!(decode::<IpConfigsRequest>(&encode(&request)).unwrap(), request);
    }
}
