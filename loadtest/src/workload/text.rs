//! Numbers written to a buffer without allocation.

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
        }
    }
}
