//! Requests, made from a seed and a running number: the same two give the same bytes on every machine.
//!
//! A request carries every attribute that Postfix 3.7 sends, in its order. It is a template in which fields of fixed width
//! are overwritten in place, so making one costs no allocation. All 64 bits of the number's key stand in sender and
//! recipient, and the key is a bijection of the number: distinct numbers are distinct triplets.
//!
//! Every run of digits touches a letter, so that no server folds two senders into one. Client addresses lie in shared
//! address space (100.64.0.0/10), where no whitelist has an entry, in 2,048 networks of /24.

use super::Planned;
use super::draw::scramble;
use super::network::Part;

const TEMPLATE: &str = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=AAAAAAAAAAAAAAA\n\
client_name=mx.sDDDD.example\nclient_port=47342\nreverse_client_name=mx.sDDDD.example\nserver_address=192.0.2.25\n\
server_port=25\nhelo_name=mx.sDDDD.example\nsender=uSSSSSSSS@sDDDD.example\nrecipient=rRRRR@customer.test\n\
recipient_count=0\nqueue_id=\ninstance=33b0.6bIIIIII.a4522.0\nsize=0\netrn_domain=\nstress=\nsasl_method=\nsasl_username=\n\
sasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\n\
encryption_cipher=\nencryption_keysize=0\npolicy_context=\n\n";

/// Which requests are sent.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    seed: u64,
    /// The numbers wrap here; `None` if no triplet repeats.
    working_set: Option<u64>,
}

impl Workload {
    /// A flood: every triplet is new.
    pub(crate) fn flood(seed: u64) -> Self {
        Self { seed, working_set: None }
    }

    /// One working set, over and over.
    pub(crate) fn known(seed: u64, working_set: u64) -> Self {
        Self { seed, working_set: Some(working_set) }
    }

    /// How many triplets there are, if they repeat.
    pub(crate) fn working_set(&self) -> Option<u64> {
        self.working_set
    }

    /// The key of the `number`th request.
    fn key(&self, number: u64) -> u64 {
        let number = self.working_set.map_or(number, |size| number % size);
        scramble(number ^ scramble(self.seed))
    }

    /// The client network of the `number`th request.
    fn network(&self, number: u64) -> u64 {
        let [a, b, c, _] = octets(client(self.key(number)));
        a << 16 | b << 8 | c
    }
}

/// Where the fields of the template begin.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    address: usize,
    domains: [usize; 4],
    sender: usize,
    recipient: usize,
    instance: usize,
}

impl Template {
    pub(crate) fn new() -> Self {
        let at = |pattern: &str| TEMPLATE.find(pattern).unwrap_or_else(|| unreachable!("{pattern} in the template"));
        let mut domains = [0; 4];
        for (slot, (start, _)) in domains.iter_mut().zip(TEMPLATE.match_indices("DDDD")) {
            *slot = start;
        }
        Self { address: at("AAAA"), domains, sender: at("SSSS"), recipient: at("RRRR"), instance: at("IIIIII") }
    }

    /// Bytes of one request.
    pub(crate) const LENGTH: usize = TEMPLATE.len();

    /// Room for `batch` requests.
    pub(crate) fn buffer(batch: usize) -> Vec<u8> {
        TEMPLATE.as_bytes().repeat(batch)
    }

    /// Turns the request in `request` into the `number`th of the workload.
    pub(crate) fn write(&self, workload: &Workload, number: u64, request: &mut [u8]) {
        let key = workload.key(number);
        hex(key >> 32, &mut request[self.sender..self.sender + 8]);
        for at in self.domains {
            hex(key >> 16, &mut request[at..at + 4]);
        }
        hex(key, &mut request[self.recipient..self.recipient + 4]);
        let client = client(key);
        hex(client >> 40, &mut request[self.instance..self.instance + 6]);
        address(client, &mut request[self.address..self.address + 15]);
    }
}

/// The requests of a workload one after another, as far as they belong to a part.
#[derive(Debug)]
pub(super) struct Numbered {
    workload: Workload,
    template: Template,
    part: Part,
    number: u64,
}

impl Numbered {
    pub(super) fn new(workload: Workload, part: Part) -> Self {
        Self { workload, template: Template::new(), part, number: 0 }
    }

    /// Appends the next request; `None` if the part has none in the whole working set.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Option<Planned> {
        for _ in 0..self.workload.working_set.unwrap_or(u64::MAX) {
            let number = self.number;
            self.number += 1;
            let network = self.workload.network(number);
            if self.part.takes(network) {
                let start = out.len();
                out.extend_from_slice(TEMPLATE.as_bytes());
                self.template.write(&self.workload, number, &mut out[start..]);
                return Some(Planned { due: None, network });
            }
        }
        None
    }
}

fn hex(mut value: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// The client follows from the sender's side of the key: one sender keeps its address.
fn client(key: u64) -> u64 {
    scramble(key >> 16)
}

/// Four octets of three digits each: 100.100..=115.100..=227.100..=227.
fn octets(client: u64) -> [u64; 4] {
    [100, 100 + (client & 15), 100 + (client >> 4 & 127), 100 + (client >> 11 & 127)]
}

fn address(client: u64, out: &mut [u8]) {
    for (index, octet) in octets(client).into_iter().enumerate() {
        let at = index * 4;
        for (place, divisor) in [100, 10, 1].into_iter().enumerate() {
            out[at + place] = b"0123456789"[(octet / divisor % 10) as usize];
        }
        if index < 3 {
            out[at + 3] = b'.';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::attributes::tests::value;
    use crate::workload::network::network_of_text;
    use std::collections::HashSet;

    fn request(workload: &Workload, number: u64) -> String {
        let mut buffer = Template::buffer(1);
        Template::new().write(workload, number, &mut buffer);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn no_placeholder_is_left_and_the_address_is_one() {
        let request = request(&Workload::flood(3), 7);
        for placeholder in ["AAAA", "DDDD", "SSSS", "RRRR", "IIIIII"] {
            assert!(!request.contains(placeholder), "{request}");
        }
        let address: std::net::Ipv4Addr = value(&request, "client_address").parse().unwrap();
        assert_eq!(address.octets()[0], 100);
        assert_eq!(request.lines().count(), 30);
        assert!(request.ends_with("policy_context=\n\n"));
    }

    #[test]
    fn a_flood_repeats_no_triplet_and_a_working_set_does() {
        let triplets = |workload: &Workload| {
            let triplet = |number| {
                let request = request(workload, number);
                (value(&request, "sender").to_owned(), value(&request, "recipient").to_owned())
            };
            (0..2000).map(triplet).collect::<HashSet<_>>().len()
        };
        assert_eq!(triplets(&Workload::flood(1)), 2000);
        assert_eq!(triplets(&Workload::known(1, 50)), 50);
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(request(&Workload::flood(5), 9), request(&Workload::flood(5), 9));
        assert_ne!(request(&Workload::flood(5), 9), request(&Workload::flood(6), 9));
    }

    #[test]
    fn parts_share_the_requests_by_network() {
        let mut seen = HashSet::new();
        for index in 0..3 {
            let mut part = Numbered::new(Workload::known(1, 300), Part::new(index, 3).unwrap());
            while part.number < 300 {
                let mut out = Vec::new();
                let planned = part.next(&mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert_eq!(planned.network, network_of_text(value(&text, "client_address").as_bytes()));
                assert!(part.number > 300 || seen.insert(text), "twice");
            }
        }
        assert_eq!(seen.len(), 300);
        let mut parts = (0..2).map(|index| Numbered::new(Workload::known(1, 1), Part::new(index, 2).unwrap()));
        assert_eq!(parts.by_ref().filter_map(|mut part| part.next(&mut Vec::new())).count(), 1);
    }
}
