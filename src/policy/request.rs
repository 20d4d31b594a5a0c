//! One policy request, as slices of the connection's buffer. `None` is an absent attribute, `Some(b"")` an empty one:
//! the decision treats them differently.

/// The attributes of a policy request that greylisting looks at (Postfix's `SMTPD_POLICY_README` lists them all).
///
/// Of duplicate attributes the last one counts. A trailing CR is not part of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// `request`: `smtpd_access_policy` for all that greylisting may answer.
    pub request: Option<&'a [u8]>,
    /// `protocol_state`: RCPT, DATA, END-OF-MESSAGE and so on.
    pub protocol_state: Option<&'a [u8]>,
    /// `client_address`: the client's IP address as text.
    pub client_address: Option<&'a [u8]>,
    /// `client_name`: the client's verified host name, or `unknown`.
    pub client_name: Option<&'a [u8]>,
    /// `sender`: the envelope sender, empty for a bounce.
    pub sender: Option<&'a [u8]>,
    /// `recipient`: the envelope recipient.
    pub recipient: Option<&'a [u8]>,
    /// `instance`: the same for all requests about one message.
    pub instance: Option<&'a [u8]>,
    /// `queue_id`, empty before the first accepted recipient.
    pub queue_id: Option<&'a [u8]>,
    /// `etrn_domain`: its presence shows a Postfix that takes an enhanced status code in the action's text.
    pub etrn_domain: Option<&'a [u8]>,
    /// `sasl_username`: not empty for an authenticated client.
    pub sasl_username: Option<&'a [u8]>,
    /// `policy_test_time`: Unix seconds; honoured under `--test-clock` only.
    pub policy_test_time: Option<&'a [u8]>,
}
