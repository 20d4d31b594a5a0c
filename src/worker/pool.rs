//! [`Pool`]: buffers for what a connection has to keep between two turns, so that an idle one keeps none.

/// Buffers kept for later at most.
const SPARE: usize = 256;
/// A buffer that grew beyond this is not kept for later.
const LARGEST: usize = 64 << 10;

/// Empty buffers of one worker.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Vec<u8>>);

impl Pool {
    /// Appends `bytes` to `kept`, which gets a buffer if it has none yet.
    pub(super) fn keep(&mut self, kept: &mut Vec<u8>, bytes: &[u8]) {
        if kept.capacity() == 0 {
            *kept = self.0.pop().unwrap_or_default();
        }
        kept.extend_from_slice(bytes);
    }

    /// Empties `kept` and takes its buffer back.
    pub(super) fn release(&mut self, kept: &mut Vec<u8>) {
        let mut buffer = std::mem::take(kept);
        if self.0.len() < SPARE && (1..=LARGEST).contains(&buffer.capacity()) {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_buffer_is_used_again_and_comes_back_empty() {
        let mut pool = Pool::default();
        let mut kept = Vec::new();
        pool.keep(&mut kept, b"abc");
        pool.keep(&mut kept, b"def");
        assert_eq!(kept, b"abcdef");
        let address = kept.as_ptr();
        pool.release(&mut kept);
        assert_eq!(kept.capacity(), 0);
        let mut other = Vec::new();
        pool.keep(&mut other, b"x");
        assert_eq!((other.as_ptr(), &other[..]), (address, &b"x"[..]));
    }

    #[test]
    fn neither_many_nor_large_buffers_are_hoarded() {
        let mut pool = Pool::default();
        pool.release(&mut Vec::with_capacity(LARGEST + 1));
        assert!(pool.0.is_empty());
        (0..=SPARE).for_each(|_| pool.release(&mut Vec::with_capacity(8)));
        assert_eq!(pool.0.len(), SPARE);
    }
}
