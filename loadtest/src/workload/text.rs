//! Numbers and names written to a buffer without allocation.
//!
//! Numbers that are to keep mailboxes apart are written in letters: a policy server may fold runs of digits.

const FIRST: [&str; 16] = [
    "anna", "bruno", "carla", "david", "elena", "felix", "greta", "hugo", "irene", "jonas", "karin", "leo", "mara",
    "nils", "olga", "paul",
];
const LAST: [&str; 16] = [
    "adler", "bauer", "conti", "dubois", "evans", "ferrari", "garcia", "hansen", "ito", "jensen", "kowalski", "lopez",
    "martin", "novak", "olsen", "petrov",
];
const WORDS: [&str; 16] = [
    "anchor", "bridge", "canyon", "delta", "ember", "forest", "garden", "harbor", "island", "jasper", "kettle",
    "lantern", "meadow", "north", "orchard", "pioneer",
];

/// Writes a number in the given base, at most 36, with `digits` for its places.
fn places(out: &mut Vec<u8>, mut number: u64, digits: &[u8]) {
    let (mut place, mut start) = ([0; 64], 64);
    loop {
        start -= 1;
        place[start] = digits[usize::try_from(number % digits.len() as u64).unwrap_or_default()];
        number /= digits.len() as u64;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&place[start..]);
}

pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    places(out, number, b"0123456789");
}

pub(super) fn hex(out: &mut Vec<u8>, number: u64) {
    places(out, number, b"0123456789abcdef");
}

/// Letters that no other number has.
pub(super) fn letters(out: &mut Vec<u8>, number: u64) {
    places(out, number, b"abcdefghijklmnopqrstuvwxyz");
}

/// One of sixteen words.
pub(super) fn word(number: u64) -> &'static [u8] {
    WORDS[(number & 15) as usize].as_bytes()
}

/// The local part of a person's address: a name that follows from the number, and the number in letters.
pub(super) fn person(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(FIRST[(number & 15) as usize].as_bytes());
    out.push(b'.');
    out.extend_from_slice(LAST[(number >> 4 & 15) as usize].as_bytes());
    out.push(b'.');
    letters(out, number);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_does() {
        for number in [0, 7, 10, 255, 65_536, u64::MAX] {
            assert_eq!(written(|out| decimal(out, number)), number.to_string());
            assert_eq!(written(|out| hex(out, number)), format!("{number:x}"));
        }
        assert_eq!(written(|out| letters(out, 25)), "z");
        assert_eq!(written(|out| letters(out, 26)), "ba");
    }

    #[test]
    fn no_two_persons_share_a_name() {
        let names: std::collections::HashSet<String> = (0..5000).map(|n| written(|out| person(out, n))).collect();
        assert_eq!(names.len(), 5000);
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.')));
    }
}
