//! [`Tag`]: the keyed 64-bit hash that stands for a triplet or a client everywhere in the state.

use siphasher::sip::SipHasher24;
use siphasher::sip128;

/// The 128-bit secret key of one state directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

/// SipHash-2-4 of a key's bytes under the state's [`Secret`]; never 0, which marks an unused record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u64);

impl Secret {
    /// The tag of `key`: a domain byte, then length-prefixed fields.
    pub fn tag(&self, key: &[u8]) -> Tag {
        Tag::from_bits(SipHasher24::new_with_key(&self.0).hash(key)).unwrap_or(Tag(1))
    }
}

/// What is hashed for a fingerprint.
const FINGERPRINT: &[u8] = b"irongrey key fingerprint";

impl Secret {
    /// A number by which the key is known again, and which does not tell it: SipHash-2-4 with 128 bits of output of a fixed text.
    pub fn fingerprint(&self) -> u128 {
        sip128::SipHasher24::new_with_key(&self.0).hash(FINGERPRINT).as_u128()
    }
}

impl Tag {
    /// The tag with these bits; `None` for 0.
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    /// The 64 bits.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
