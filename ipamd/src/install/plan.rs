//! What is to be done at each path: pure.

use std::path::Path;

use super::error::{InstallError, file};
use super::item::{Item, Seen, look};
use super::state::{Entry, State};

/// How an item comes to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there, by an installation.
    Done,
    /// It, or what it would take the place of, is there, and stays somebody else's.
    Theirs,
    /// Nothing is there.
    New,
    /// An earlier one of ours is there.
    Replace,
    /// Something of somebody else is there, and is to be kept under another name.
    Backup,
}

impl Put {
    /// Whether nothing is to be changed.
    pub(super) fn is_nothing(self) -> bool {
        matches!(self, Self::Done | Self::Theirs)
    }
}

/// What becomes of an entry when it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeBack {
    /// It goes.
    Remove,
    /// What was there before comes back.
    Restore,
    /// Somebody else has put something there since: that stays, and a copy goes.
    Leave,
}

/// The step of each item. Nothing is changed.
pub(super) fn steps(items: &[Item], state: &State) -> Result<Vec<Put>, InstallError> {
    items.iter().map(|item| step(item, state)).collect()
}

fn step(item: &Item, state: &State) -> Result<Put, InstallError> {
    let entry = state.entry(&item.path);
    let seen = seen(&item.path)?;
    let put = put(item, entry, &seen).ok_or_else(|| InstallError::Occupied { path: item.path.clone() })?;
    if put == Put::Backup && entry.is_none_or(|entry| entry.copy.is_none()) {
        let copy = item.copy();
        let there = self::seen(&copy)?;
        if there != Seen::Nothing && there != seen {
            return Err(InstallError::Copy { path: item.path.clone(), copy });
        }
    }
    Ok(put)
}

/// Looks at a path; nobody can look behind what is no folder.
pub(super) fn seen(path: &Path) -> Result<Seen, InstallError> {
    look(path).map_err(file("look at", path))
}

fn put(item: &Item, entry: Option<&Entry>, seen: &Seen) -> Option<Put> {
    let there = match seen {
        Seen::Other => return None,
        Seen::Nothing => return Some(Put::New),
        Seen::Marked(mark) => mark,
    };
    Some(match entry {
        Some(_) if *there == item.mark() => Put::Done,
        Some(entry) if entry.ours.contains(there) => Put::Replace,
        None if *there == item.mark() => Put::Theirs,
        _ if item.is_optional => Put::Theirs,
        _ => Put::Backup,
    })
}

/// What to do about an entry where this is seen.
pub(super) fn take_back(entry: &Entry, seen: &Seen, copy: &Seen) -> TakeBack {
    let is_ours = match seen {
        Seen::Nothing => true,
        Seen::Marked(mark) => entry.ours.contains(mark),
        Seen::Other => false,
    };
    match (is_ours, copy) {
        (false, _) => TakeBack::Leave,
        (true, Seen::Nothing) => TakeBack::Remove,
        (true, _) => TakeBack::Restore,
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::Mark;
    use super::*;

    fn item(text: &str) -> Item {
        Item::text("/d/file".into(), text.to_owned())
    }

    fn marked(text: &str) -> Seen {
        Seen::Marked(item(text).mark())
    }

    fn entry(ours: &[&str]) -> Entry {
        let ours = ours.iter().map(|text| item(text).mark()).collect();
        Entry { path: "/d/file".into(), ours, copy: None }
    }

    #[test]
    fn what_is_ours_is_replaced_and_what_is_not_is_kept() {
        let new = item("new");
        assert_eq!(put(&new, None, &Seen::Nothing), Some(Put::New));
        assert_eq!(put(&new, Some(&entry(&["old"])), &Seen::Nothing), Some(Put::New));
        assert_eq!(put(&new, Some(&entry(&["old"])), &marked("old")), Some(Put::Replace));
        assert_eq!(put(&new, Some(&entry(&["old", "new"])), &marked("old")), Some(Put::Replace));
        assert_eq!(put(&new, Some(&entry(&["old", "new"])), &marked("new")), Some(Put::Done));
        assert_eq!(put(&new, Some(&entry(&["old"])), &marked("theirs")), Some(Put::Backup));
        assert_eq!(put(&new, None, &marked("theirs")), Some(Put::Backup));
        assert_eq!(put(&new, None, &marked("new")), Some(Put::Theirs));
        assert_eq!(put(&new, None, &Seen::Other), None);
    }

    #[test]
    fn what_is_optional_gives_way() {
        let new = item("new").unless_there();
        assert_eq!(put(&new, None, &Seen::Nothing), Some(Put::New));
        assert_eq!(put(&new, None, &marked("theirs")), Some(Put::Theirs));
        assert_eq!(put(&new, Some(&entry(&["old"])), &marked("old")), Some(Put::Replace));
        assert_eq!(put(&new, Some(&entry(&["old"])), &marked("edited")), Some(Put::Theirs));
    }

    #[test]
    fn what_somebody_has_put_there_since_is_not_taken_away() {
        let ours = entry(&["new"]);
        assert_eq!(take_back(&ours, &marked("new"), &Seen::Nothing), TakeBack::Remove);
        assert_eq!(take_back(&ours, &marked("new"), &marked("before")), TakeBack::Restore);
        assert_eq!(take_back(&ours, &Seen::Nothing, &marked("before")), TakeBack::Restore);
        assert_eq!(take_back(&ours, &Seen::Nothing, &Seen::Nothing), TakeBack::Remove);
        let link = Seen::Marked(Mark::Link("elsewhere".into()));
        for theirs in [marked("before"), link, Seen::Other] {
            assert_eq!(take_back(&ours, &theirs, &marked("before")), TakeBack::Leave);
        }
    }
}
