//! Which messages have been given their header: Postfix asks once a recipient, the header is added once a message.

/// How many messages are remembered, as many as postgrey remembers.
const REMEMBERED: usize = 10;

/// The hashes of the last few `instance` values of one connection that got a header.
#[derive(Clone, Debug, Default)]
pub struct Instances {
    hashes: [u64; REMEMBERED],
    next: usize,
}

impl Instances {
    /// Whether the message was not remembered; it is from now on.
    pub(super) fn is_new(&mut self, hash: u64) -> bool {
        if self.hashes.contains(&hash) {
            return false;
        }
        self.hashes[self.next] = hash;
        self.next = (self.next + 1) % REMEMBERED;
        true
    }
}
