//! Reading attributes (`struct nlattr`, RFC 3549 §2.2).

/// `nla_type` without its flags for nesting and byte order.
const TYPE_MASK: u16 = 0x3fff;
const HEADER: usize = 4;

/// The attributes in `bytes`, as type (without flags) and value. A broken length ends them: what is read so
/// far is sound, and whoever misses an attribute says so.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [a, b, c, d] = *bytes.first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & TYPE_MASK;
        let value = bytes.get(HEADER..length)?;
        // The last attribute need not be padded.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_lose_their_flags_and_padding_is_skipped() {
        let bytes = [5, 0, 1, 0x80, 7, 0, 0, 0, 4, 0, 2, 0, 6, 0, 3, 0x40, 8, 9];
        let read: Vec<_> = attributes(&bytes).collect();
        assert_eq!(read, [(1, [7].as_slice()), (2, &[]), (3, &[8, 9])]);
    }

    #[test]
    fn a_broken_length_ends_the_list() {
        for broken in [&[3, 0, 1, 0][..], &[9, 0, 1, 0, 1, 2, 3, 4], &[8, 0, 1]] {
            let bytes = [&[4, 0, 2, 0], broken].concat();
            assert_eq!(attributes(&bytes).count(), 1, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            prop_assert!(attributes(&bytes).count() <= bytes.len() / HEADER);
        }
    }
}
