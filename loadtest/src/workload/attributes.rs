//! One policy request in the protocol's form: every attribute that Postfix 3.7 sends, in its order.
//!
//! `recipient_count` is 0, as Postfix sends it at RCPT however many recipients a message has. Client certificates, SASL and
//! ETRN are not modelled: their attributes are empty.

use super::text::decimal;

/// The attributes that differ from request to request.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    pub(super) protocol_name: &'a [u8],
    pub(super) client_address: &'a [u8],
    pub(super) client_name: &'a [u8],
    pub(super) client_port: u16,
    pub(super) helo_name: &'a [u8],
    pub(super) sender: &'a [u8],
    pub(super) recipient: &'a [u8],
    /// Empty until Postfix has accepted a recipient of the message.
    pub(super) queue_id: &'a [u8],
    /// The same for all recipients of one message in one session.
    pub(super) instance: &'a [u8],
    /// What the client announced; 0 if nothing.
    pub(super) size: u64,
    pub(super) encrypted: bool,
}

impl Attributes<'_> {
    /// Appends the request with its blank line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut text = |text: &[u8]| out.extend_from_slice(text);
        text(b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=");
        text(self.protocol_name);
        text(b"\nclient_address=");
        text(self.client_address);
        text(b"\nclient_name=");
        text(self.client_name);
        text(b"\nclient_port=");
        decimal(out, u64::from(self.client_port));
        let mut text = |text: &[u8]| out.extend_from_slice(text);
        text(b"\nreverse_client_name=");
        text(self.client_name);
        text(b"\nserver_address=192.0.2.25\nserver_port=25\nhelo_name=");
        text(self.helo_name);
        text(b"\nsender=");
        text(self.sender);
        text(b"\nrecipient=");
        text(self.recipient);
        text(b"\nrecipient_count=0\nqueue_id=");
        text(self.queue_id);
        text(b"\ninstance=");
        text(self.instance);
        text(b"\nsize=");
        decimal(out, self.size);
        out.extend_from_slice(
            b"\netrn_domain=\nstress=\nsasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\n\
              ccert_fingerprint=\nccert_pubkey_fingerprint=\n",
        );
        out.extend_from_slice(if self.encrypted {
            b"encryption_protocol=TLSv1.3\nencryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\n"
        } else {
            b"encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n".as_slice()
        });
        out.extend_from_slice(b"policy_context=\n\n");
    }
}

/// Puts `policy_test_time=SECONDS` before the blank line that ends `out`.
pub(super) fn add_test_time(out: &mut Vec<u8>, seconds: u64) {
    let blank = if out.ends_with(b"\r\n") { 2 } else { 1 };
    out.truncate(out.len() - blank);
    out.extend_from_slice(b"policy_test_time=");
    decimal(out, seconds);
    out.extend_from_slice(b"\n\n");
}

/// Requests that Postfix 3.7 sent.
#[cfg(test)]
pub(super) const RECORDED: &str = include_str!("../../../tests/data/postfix-3.7-requests.txt");

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The names of a request's attributes, in order.
    pub(crate) fn names(request: &str) -> Vec<&str> {
        request.lines().take_while(|line| !line.is_empty()).map(|line| line.split_once('=').unwrap().0).collect()
    }

    /// The value of one attribute.
    pub(crate) fn value<'r>(request: &'r str, name: &str) -> &'r str {
        request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap()
    }

    #[test]
    fn a_recorded_request_is_written_as_postfix_sent_it() {
        let recorded = RECORDED.split_inclusive("\n\n").find(|request| value(request, "size") == "12345").unwrap();
        let recorded =
            recorded.replace("server_address=127.0.0.1\nserver_port=2530", "server_address=192.0.2.25\nserver_port=25");
        let of = |name| value(&recorded, name).as_bytes();
        let mut written = Vec::new();
        Attributes {
            protocol_name: of("protocol_name"),
            client_address: of("client_address"),
            client_name: of("client_name"),
            client_port: value(&recorded, "client_port").parse().unwrap(),
            helo_name: of("helo_name"),
            sender: of("sender"),
            recipient: of("recipient"),
            queue_id: of("queue_id"),
            instance: of("instance"),
            size: 12_345,
            encrypted: false,
        }
        .write(&mut written);
        assert_eq!(String::from_utf8(written).unwrap(), recorded);
    }

    #[test]
    fn the_test_time_stands_last() {
        for end in ["\n", "\r\n"] {
            let mut request = format!("request=smtpd_access_policy{end}sender={end}{end}").into_bytes();
            add_test_time(&mut request, 1_700_000_000);
            let wanted = format!("request=smtpd_access_policy{end}sender={end}policy_test_time=1700000000\n\n");
            assert_eq!(String::from_utf8(request).unwrap(), wanted);
        }
    }
}
