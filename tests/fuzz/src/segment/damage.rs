//! [`Damage`]: what happens to the bytes of a segment file.

use arbitrary::{Arbitrary, Unstructured};
use irongrey::clock::UnixSecs;
use irongrey::table::Kind;

use crate::image::{Image, Part, Record};
use crate::state::{NOW, StateDir};

/// Edits of one file at most.
const MOST: usize = 12;
/// The bits of a slot that hold a position, in a segment of this capacity.
const POSITION: u32 = (1 << 14) - 1;

/// What happens to a file.
#[derive(Debug)]
pub(super) enum Damage {
    /// Other bytes stand in its place.
    Replaced(Vec<u8>),
    /// It is changed here and there, and perhaps by somebody who makes its checks right.
    Edited { edits: Vec<Edit>, header_checked: bool },
}

/// One change.
#[derive(Debug, Arbitrary)]
pub(super) enum Edit {
    Flip {
        place: Place,
        bit: u8,
    },
    Write {
        place: Place,
        bytes: [u8; 8],
    },
    Zero {
        place: Place,
        len: u16,
    },
    Copy {
        from: Place,
        to: Place,
        len: u16,
    },
    Truncate {
        len: u32,
    },
    Extend {
        len: u16,
    },
    /// One of the header's numbers.
    Header {
        field: u8,
        value: u64,
    },
    /// A seal of any time that is right.
    Seal {
        time: u32,
    },
    /// How many records of a chunk are filled.
    Fill {
        chunk: bool,
        value: u32,
    },
    /// What one of the used slots, or one at random, holds: all of it, or only the position.
    Slot {
        number: u16,
        whole: bool,
        value: u32,
    },
    /// A right record about one of the numbers, where it is not expected.
    Record {
        position: u16,
        number: u8,
        kind: u8,
        ago: u32,
        count: u16,
    },
}

/// A place that matters: a part of the file and where in it.
#[derive(Debug, Arbitrary)]
pub(super) struct Place {
    part: u8,
    at: u32,
}

impl Place {
    fn at(&self, image: &Image) -> usize {
        let parts = [Part::Header, Part::Words, Part::Fills, Part::Records, Part::Index];
        let (start, len) = parts[usize::from(self.part) % parts.len()].place(image.filled());
        start + self.at as usize % len
    }
}

impl<'a> Arbitrary<'a> for Damage {
    fn arbitrary(data: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(if data.ratio(1, 8)? {
            Self::Replaced(data.bytes(data.len())?.to_owned())
        } else {
            Self::Edited { header_checked: data.arbitrary()?, edits: crate::all(data, MOST) }
        })
    }

    fn arbitrary_take_rest(mut data: Unstructured<'a>) -> arbitrary::Result<Self> {
        Self::arbitrary(&mut data)
    }
}

impl Damage {
    /// Does it.
    pub(super) fn apply(&self, image: &mut Image) {
        match self {
            Self::Replaced(bytes) => image.bytes.clone_from(bytes),
            Self::Edited { edits, header_checked } => {
                for edit in edits {
                    edit.apply(image);
                }
                if *header_checked {
                    image.check_header();
                }
            }
        }
    }
}

impl Edit {
    fn apply(&self, image: &mut Image) {
        match *self {
            Self::Flip { ref place, bit } => {
                let at = place.at(image);
                if let Some(byte) = image.bytes.get_mut(at) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Write { ref place, bytes } => image.put(place.at(image), &bytes),
            Self::Zero { ref place, len } => image.put(place.at(image), &vec![0; usize::from(len)]),
            Self::Copy { ref from, ref to, len } => {
                let bytes: Vec<_> = image.bytes.iter().skip(from.at(image)).take(usize::from(len)).copied().collect();
                image.put(to.at(image), &bytes);
            }
            Self::Truncate { len } => image.bytes.truncate(len as usize % (image.bytes.len() + 1)),
            Self::Extend { len } => image.bytes.resize(image.bytes.len() + usize::from(len), 0),
            Self::Header { field, value } => match field % 7 {
                2 => image.put(16, &value.to_le_bytes()),
                3 => image.put(24, &value.to_le_bytes()),
                field => image.put([8, 12, 0, 0, 32, 36, 40][usize::from(field)], &value.to_le_bytes()[..4]),
            },
            Self::Seal { time } => image.seal(UnixSecs(time)),
            Self::Fill { chunk, value } => {
                image.put(Part::Fills.place(0).0 + usize::from(chunk) * 4, &value.to_le_bytes());
            }
            Self::Slot { number, whole, value } => {
                let at = slot(image, number);
                let old = image.bytes.get(at..at + 4).and_then(|old| old.try_into().ok()).map_or(0, u32::from_le_bytes);
                let value = if whole { value } else { old & !POSITION | value & POSITION };
                image.put(at, &value.to_le_bytes());
            }
            Self::Record { position, number, kind, ago, count } => {
                let kind = [Kind::Pending, Kind::Passed, Kind::Client, Kind::Void][usize::from(kind) % 4];
                let (tag, time) = (StateDir::tag(number % super::NUMBERS), UnixSecs(NOW.0.wrapping_sub(ago)));
                let record = Record { tag, kind, time, count: count & 0xfff };
                image.put(Part::Records.place(0).0 + usize::from(position % 8192) * 16, &record.to_bytes());
            }
        }
    }
}

/// Where the used slot of this number is, counted around; without one, any.
fn slot(image: &Image, number: u16) -> usize {
    let (start, len) = Part::Index.place(0);
    let slots = (start..start + len).step_by(4);
    let used: Vec<_> = slots.filter(|&at| image.bytes.get(at..at + 4).is_some_and(|slot| slot != [0; 4])).collect();
    used.get(usize::from(number) % used.len().max(1)).copied().unwrap_or(start + usize::from(number) * 4 % len)
}
