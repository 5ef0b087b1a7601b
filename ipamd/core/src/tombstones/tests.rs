use super::{LIFETIME, MOST, Tombstones};
use crate::Key;
use crate::testing::{key, secs};

#[test]
fn what_was_asked_for_before_the_deletion_is_forbidden_and_nothing_else() {
    let mut tombstones = Tombstones::default();
    tombstones.leave(key("a"), secs(10));
    assert!(tombstones.forbid(&key("a"), secs(9)));
    assert!(!tombstones.forbid(&key("a"), secs(10)));
    assert!(!tombstones.forbid(&key("b"), secs(9)));
    assert!(!tombstones.forbid(&Key::canonical("a", "eth1"), secs(9)));
    // A DEL that names no interface means every one.
    tombstones.leave(Key::canonical("c", ""), secs(10));
    assert!(tombstones.forbid(&key("c"), secs(9)));
}

#[test]
fn they_are_bounded_in_time() {
    let mut tombstones = Tombstones::default();
    tombstones.leave(key("a"), secs(10));
    tombstones.leave(key("a"), secs(20));
    tombstones.leave(key("b"), secs(11) + LIFETIME);
    // The first of a is forgotten, the second not.
    assert!(tombstones.forbid(&key("a"), secs(19)));
    assert_eq!(tombstones.by_age.len(), 2);
    tombstones.leave(key("c"), secs(21) + LIFETIME);
    assert!(!tombstones.forbid(&key("a"), secs(19)));
    assert_eq!(tombstones.deleted_at.len(), 2);
}

#[test]
fn they_are_bounded_in_number() {
    let mut tombstones = Tombstones::default();
    for container in 0..MOST + 10 {
        tombstones.leave(key(&container.to_string()), secs(1));
    }
    assert_eq!((tombstones.by_age.len(), tombstones.deleted_at.len()), (MOST, MOST));
    assert!(!tombstones.forbid(&key("9"), secs(0)));
    assert!(tombstones.forbid(&key("10"), secs(0)));
}
