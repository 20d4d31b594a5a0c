//! [`Request`]: one question as Postfix asks it.

/// The attributes of one request, in the order in which they are sent.
#[derive(Clone, Debug)]
pub(crate) struct Request(Vec<(String, String)>);

impl Request {
    /// What a Postfix of version 3.7 sends at RCPT, cut down to what a greylist looks at.
    pub(crate) fn new(client_address: &str, sender: &str, recipient: &str) -> Self {
        Self(Vec::new())
            .with("request", "smtpd_access_policy")
            .with("protocol_state", "RCPT")
            .with("protocol_name", "ESMTP")
            .with("client_address", client_address)
            .with("client_name", "unknown")
            .with("helo_name", "mail.sender.example")
            .with("sender", sender)
            .with("recipient", recipient)
            .with("etrn_domain", "")
    }

    /// Sets an attribute.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|attribute| attribute.0 == name) {
            Some(attribute) => value.clone_into(&mut attribute.1),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Leaves an attribute out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|attribute| attribute.0 != name);
        self
    }

    /// Sets the clock (unix seconds) by which a program with a test clock answers.
    pub(crate) fn at(self, time: u64) -> Self {
        self.with("policy_test_time", &time.to_string())
    }

    /// The request as it goes over the wire.
    pub(crate) fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for (name, value) in &self.0 {
            wire.extend_from_slice(format!("{name}={value}\n").as_bytes());
        }
        wire.push(b'\n');
        wire
    }
}
