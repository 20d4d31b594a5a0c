//! Which messages have been given their header: Postfix asks once a recipient, the header is added once a message.

/// The last few `instance` values of one connection that got a header.
#[derive(Clone, Debug, Default)]
pub struct Instances {}
