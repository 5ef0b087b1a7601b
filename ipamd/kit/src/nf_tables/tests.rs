use proptest::prelude::*;

use super::*;

fn message(kind: u8, family: u8, texts: &[(u16, &str)]) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (number, text) in texts {
        let length = u16::try_from(4 + text.len() + 1).unwrap();
        attributes.extend(length.to_ne_bytes());
        attributes.extend(number.to_ne_bytes());
        attributes.extend(text.as_bytes());
        attributes.push(0);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
    }
    let mut bytes = u32::try_from(20 + attributes.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend([kind, SUBSYSTEM, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, family, 0, 0, 0]);
    bytes.extend(attributes);
    bytes
}

/// Family, table and chain of each change.
fn heard(bytes: &[u8]) -> Vec<(u8, String, Option<String>)> {
    let mut heard = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    changes(bytes, &mut |news| match news {
        News::Change(Change { family, table, chain }) => heard.push((family, text(table), chain.map(text))),
        News::Lost => panic!("nothing was lost"),
    });
    heard
}

#[test]
fn each_kind_of_change_names_its_table_and_chain() {
    let is = |kind, texts: &[(u16, &str)], table: &str, chain: Option<&str>| {
        assert_eq!(
            heard(&message(kind, 2, texts)),
            [(2, table.to_owned(), chain.map(str::to_owned))],
            "{kind}"
        );
    };
    is(8, &[(1, "nat"), (2, "POSTROUTING")], "nat", Some("POSTROUTING"));
    is(5, &[(1, "nat"), (3, "KUBE-SERVICES")], "nat", Some("KUBE-SERVICES"));
    is(2, &[(1, "nat")], "nat", None);
    is(14, &[(1, "podnet-masq"), (2, "ranges")], "podnet-masq", None);
    assert_eq!(heard(&message(15, 2, &[])), []);
}

#[test]
fn a_burst_is_read_to_its_end() {
    let burst = [message(6, 2, &[(1, "nat"), (2, "X")]), message(6, 10, &[(1, "filter"), (2, "Y")])].concat();
    let families: Vec<_> = heard(&burst).into_iter().map(|(family, ..)| family).collect();
    assert_eq!(families, [2, 10]);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        heard(&bytes);
    }
}
