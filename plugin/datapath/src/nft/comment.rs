//! Comments, the way `nft` keeps them: in an object's user data, which the kernel stores and does not read.
//!
//! User data is a row of (kind: one byte, length: one byte, value). Kind 0 is the comment on tables, rules
//! and set elements alike, a text ended by a NUL that the length counts. `nft` shows comments of at most
//! [`MAX`] bytes. Source: libnftnl `include/libnftnl/udata.h`, nftables `include/rule.h`.

/// The most bytes of a comment that `nft` can show and take back (`NFTNL_UDATA_COMMENT_MAXLEN`).
pub(super) const MAX: usize = 128;

/// `NFTNL_UDATA_TABLE_COMMENT`, `NFTNL_UDATA_RULE_COMMENT`, `NFTNL_UDATA_SET_ELEM_COMMENT`.
const COMMENT: u8 = 0;

/// The user data that carries `comment`, cut to at most [`MAX`] bytes between two characters.
pub(super) fn encode(comment: &str) -> Vec<u8> {
    let text = comment.get(..comment.floor_char_boundary(MAX)).unwrap_or_default();
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    [&[COMMENT, length], text.as_bytes(), &[0]].concat()
}

/// The comment in `userdata`, if there is one and it is UTF-8.
pub(super) fn decode(mut userdata: &[u8]) -> Option<&str> {
    while let &[kind, length, ref rest @ ..] = userdata {
        let (value, after) = rest.split_at_checked(usize::from(length))?;
        if kind == COMMENT {
            return super::attribute::text(value);
        }
        userdata = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_those_that_nft_writes() {
        assert_eq!(encode("OWNER ALIAS"), b"\0\x0cOWNER ALIAS\0");
    }

    #[test]
    fn the_comment_is_found_behind_other_user_data() {
        assert_eq!(decode(b"\x05\x02xy\0\x03ab\0"), Some("ab"));
        assert_eq!(decode(b"\x05\x02xy"), None);
        assert_eq!(decode(b"\0\x09ab\0"), None, "longer than the user data");
    }

    proptest! {
        #[test]
        fn a_comment_survives_up_to_its_limit(comment in "\\PC{0,200}") {
            let kept = decode(&encode(&comment)).unwrap().to_owned();
            prop_assert!(kept.len() <= MAX);
            prop_assert!(comment.starts_with(&kept));
            prop_assert!(comment.len() <= MAX && kept == comment || kept.len() > MAX - 4);
        }
    }
}
