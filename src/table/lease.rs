//! [`Lease`]: who may still append to a segment, counted.
//!
//! A view of a ring holds the leases of its active segment and its spare, and whoever works with a view holds the view. So
//! a segment whose last lease has ended gets no more records, and the end is seen together with all that was appended.

use std::sync::Arc;

use crate::atomics::{AtomicU32, Ordering, weakened};

/// The right to append to one segment. Each clone counts.
#[derive(Debug)]
pub struct Lease(Arc<AtomicU32>);

/// Tells whether a segment's leases have ended.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<AtomicU32>);

impl Lease {
    /// The first lease of a segment.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// Tells when this lease and all its clones have ended.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.0))
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        // Whoever clones holds a lease, so the count is not 0 and does not become it meanwhile.
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `Watch::is_over`, so what was appended under this lease is seen.
        self.0.fetch_sub(1, weakened!(weak_seal, Ordering::Release));
    }
}

impl Watch {
    /// Whether nobody can append any more. What was appended is then visible to the caller.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}
