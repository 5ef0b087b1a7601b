//! Which ranges are claimed twice.

use ipnet::IpNet;

/// For each range the place of another one that overlaps it, where there is one.
///
/// Two ranges are either apart or one within the other. So, in the order of their beginnings, the wider one first, a range
/// overlaps an earlier one only if it lies in the last one that has not ended yet.
pub(super) fn rivals(ranges: &[IpNet]) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|place| ranges.get(*place));
    let mut rivals = vec![None; ranges.len()];
    let mut open: Vec<(usize, IpNet)> = Vec::new();
    for place in order {
        let Some(range) = ranges.get(place).copied() else { continue };
        while open.pop_if(|(_, around)| !around.contains(&range)).is_some() {}
        if let Some((around, _)) = open.last() {
            note(&mut rivals, place, *around);
            note(&mut rivals, *around, place);
        }
        open.push((place, range));
    }
    rivals
}

/// The first rival is enough to be refused.
fn note(rivals: &mut [Option<usize>], place: usize, rival: usize) {
    if let Some(known) = rivals.get_mut(place) {
        known.get_or_insert(rival);
    }
}
