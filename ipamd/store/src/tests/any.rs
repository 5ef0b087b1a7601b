//! Any events, and any bytes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use podnet_ipam_core::{Addresses, Attachment, Event, Identity, Key};
use proptest::prelude::*;

use super::{Scratch, boot};
use crate::format::{Next, header, next_record, put_record};
use crate::{Recovery, Verdict};

fn time() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn block() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=128_u8).prop_map(|(address, prefix)| {
        IpNet::new(address, prefix.min(if address.is_ipv4() { 32 } else { 128 })).unwrap()
    })
}

fn attachment() -> impl Strategy<Value = Arc<Attachment>> {
    (".{1,80}", ".{0,80}", "[a-z0-9.-]{0,15}", ".{0,20}", ".{0,20}").prop_map(
        |(container, id, interface, pod, namespace)| {
            let identity = Identity {
                infra_container_id: &container,
                pod_interface_id: &id,
                interface: &interface,
                pod: &pod,
                namespace: &namespace,
            };
            Arc::new(Attachment::new(&identity).unwrap())
        },
    )
}

fn addresses() -> impl Strategy<Value = Addresses> {
    (any::<Option<std::net::Ipv4Addr>>(), any::<Option<std::net::Ipv6Addr>>()).prop_map(|(v4, v6)| {
        Addresses::from_list(v4.map(IpAddr::V4).into_iter().chain(v6.map(IpAddr::V6))).unwrap()
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (".{0,40}", block(), any::<bool>(), time()).prop_map(|(container, block, programmed, at)| {
            Event::Offered { container: container.into(), block, programmed, at }
        }),
        (block(), time()).prop_map(|(block, at)| Event::Withdrawn { block, at }),
        (any::<IpAddr>(), time()).prop_map(|(address, at)| Event::Used { address, at }),
        (attachment(), addresses(), time()).prop_map(|(attachment, addresses, at)| Event::Assigned {
            attachment,
            addresses,
            at
        }),
        (".{1,80}", ".{0,15}", time()).prop_map(|(container, interface, at)| Event::Released {
            key: Key::canonical(&container, &interface),
            at
        }),
        (any::<IpAddr>(), time()).prop_map(|(address, at)| Event::Returned { address, at }),
        any::<u32>().prop_map(Event::Requested),
    ]
}

proptest! {
    #[test]
    fn any_events_are_read_as_they_were_written(snapshot in prop::collection::vec(event(), 0..8), batches in prop::collection::vec(prop::collection::vec(event(), 0..4), 0..4)) {
        let scratch = Scratch::new();
        let (mut store, _) = scratch.open();
        store.snapshot(&snapshot).unwrap();
        for batch in &batches {
            store.append(batch).unwrap();
        }
        drop(store);
        let (_, recovery) = scratch.open();
        prop_assert_eq!(recovery.verdict, Verdict::Intact);
        prop_assert_eq!(recovery.events, [vec![snapshot], batches].concat().concat());
    }

    #[test]
    fn any_bytes_after_a_header_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let journal = [header(boot(), 0), bytes.clone()].concat();
        let recovery = Recovery::read(&journal, boot());
        prop_assert!(bytes.is_empty() || recovery.verdict != Verdict::Intact);
        Recovery::read(&bytes, boot());
    }

    /// A record whose checksums are right, but whose body is not one event.
    #[test]
    fn any_body_is_an_event_or_damage(event in event(), surplus in prop::collection::vec(any::<u8>(), 1..20)) {
        let mut record = Vec::new();
        put_record(&event, &mut record);
        let body = [&record[12..], &surplus].concat();
        let length = u32::try_from(body.len()).unwrap();
        let words = [length, crate::crc::crc32c(&body)].map(u32::to_le_bytes).concat();
        let record = [&words[..], &crate::crc::crc32c(&words).to_le_bytes(), &body].concat();
        prop_assert!(matches!(next_record(&record), Next::Damaged));
    }
}
