//! What the handler of a failed mapping rests on: whose addresses a place tells, and the names of what is set aside.

use super::*;

#[test]
fn a_place_that_changes_hands_tells_no_range_of_two_mappings() {
    let place = Watched::new();
    assert_eq!(place.range_from(place.start.load(Ordering::Acquire)), None);
    place.take(1..10, null_mut());
    let seen = place.start.load(Ordering::Acquire);
    assert_eq!(place.range_from(seen), Some(1..10));
    place.leave();
    assert_eq!(place.range_from(seen), None);
    place.take(21..30, null_mut());
    assert_eq!(place.range_from(seen), None);
}

#[test]
fn a_name_that_is_set_aside_does_not_come_again_with_the_process_id() {
    let segment = Path::new("/state/pending-00000001.seg");
    let first = aside(segment);
    assert!(first.to_string_lossy().starts_with("/state/pending-00000001.") && first.extension().unwrap() == "bad");
    assert_ne!(first, aside(segment));
}
