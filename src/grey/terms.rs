//! The terms of greylisting that a decision depends on, already validated.

/// How a client address becomes the network of a triplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Networks {
    /// Prefix length for IPv4, 0 to 32.
    pub ipv4_prefix: u8,
    /// Prefix length for IPv6, 0 to 128.
    pub ipv6_prefix: u8,
}

/// What an unknown triplet is answered when it cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Let it pass: mail flows.
    Dunno,
    /// Defer it, although it will be as unknown at its next try.
    Defer,
}

/// The times and counts of greylisting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds that a new triplet has to wait.
    pub delay: u32,
    /// Seconds after its first attempt within which a triplet has to be tried again. Greater than `delay`.
    pub retry_window: u32,
    /// Seconds after which a triplet or client that was not seen again is forgotten.
    pub max_age: u32,
    /// How many passed triplets whitelist their client, at most 4,095; 0 switches the auto-whitelist off.
    pub auto_whitelist_clients: u16,
    /// The network that stands for the client in a triplet (`--lookup-by-host` is 32 and 128).
    pub networks: Networks,
    /// The answer to an unknown triplet that cannot be recorded.
    pub on_full: OnFull,
}

impl Terms {
    /// postgrey's, which both command lines have when no option says otherwise.
    pub const DEFAULT: Self = Self {
        delay: 300,
        retry_window: 2 * 86_400,
        max_age: 35 * 86_400,
        auto_whitelist_clients: 5,
        networks: Networks { ipv4_prefix: 24, ipv6_prefix: 64 },
        on_full: OnFull::Dunno,
    };
}
