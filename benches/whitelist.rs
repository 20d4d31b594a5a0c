//! What one request costs in the whitelists: name, address and recipient, each looked up once, as the daemon does.
//!
//! `cargo bench --bench whitelist`. Each list has as many names as networks, half of them IPv6, with and without 10
//! regexes. 16,384 requests that go all over the lists take turns: the lists are as cold as in a daemon, where the
//! request itself has just been read. Every answer is compared with the one known from how the request was made.
//! `client` is what the promise of 300 ns for 100,000 names and 100,000 networks is about.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongrey::grey::whitelist::{ClientList, ClientListBuilder, RecipientList, RecipientListBuilder};

#[path = "support/thread_time.rs"]
mod thread_time;
use thread_time::{ThreadTime, criterion};

const REQUESTS: usize = 1 << 14;
const SIZES: [usize; 3] = [10, 10_000, 100_000];

/// Spreads a number over 64 bits, so that entry `n` can be made again from `n`.
fn mixed(number: usize) -> u64 {
    let mut bits = (number as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn name(number: usize) -> String {
    let bits = mixed(number);
    match number % 3 {
        0 => format!("d{bits:x}.example"),
        1 => format!("mail.d{:x}.co.example", bits >> 20),
        _ => format!("d{}.net.example", bits >> 30),
    }
}

/// An address whose /24 or /56 is listed if `number` is below the size: the lowest bit of the network is always set.
fn address(number: usize) -> IpAddr {
    let bits = mixed(number);
    if number.is_multiple_of(2) {
        IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits >> 32).expect("half of it") | 0x100))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits((0x2000 | u128::from(bits >> 52)) << 112 | u128::from(bits) << 60 | 1 << 72))
    }
}

/// An address that no listed network holds.
fn other_address(number: usize) -> IpAddr {
    match address(number) {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !0x100)),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(1 << 72))),
    }
}

fn clients(size: usize, regexes: bool) -> ClientList {
    let mut builder = ClientListBuilder::default();
    for number in 0..size {
        let length = if number.is_multiple_of(2) { 24 } else { 56 };
        let entries = format!("{}\n{}/{length}\n", name(number), address(number));
        builder.add(entries.as_bytes()).expect("well formed");
    }
    for number in 0..if regexes { 10 } else { 0 } {
        builder.add(format!("/^mx\\d+\\.pool{number}-.*\\.test$/").as_bytes()).expect("well formed");
    }
    builder.build().expect("small")
}

fn recipients(size: usize) -> RecipientList {
    let mut builder = RecipientListBuilder::default();
    for number in 0..size / 2 {
        let entries = format!("user{number}@{}\n{}\n", name(number), name(number + size));
        builder.add(entries.as_bytes()).expect("well formed");
    }
    builder.add(b"postmaster@\nabuse@\n").expect("well formed");
    builder.build().expect("small")
}

/// One request's look-ups, in the daemon's order, all of them made: whether name, address and recipient are listed.
fn look_up(clients: &ClientList, recipients: &RecipientList, request: &(String, IpAddr, String)) -> (bool, bool, bool) {
    let (name, address, recipient) = black_box(request);
    (clients.has_name(name.as_bytes()), clients.has_address(*address), recipients.has(recipient.as_bytes()))
}

fn requests(make: impl Fn(usize) -> (String, IpAddr, String)) -> Vec<(String, IpAddr, String)> {
    (0..REQUESTS).map(|index| make(index * 7_919 + 13)).collect()
}

fn bench(criterion: &mut Criterion<ThreadTime>) {
    for size in SIZES {
        let recipients = recipients(size);
        let hits = requests(|at| {
            let user = at % (size / 2);
            (format!("out{}.{}", at % 977, name(at % size)), address(at % size), format!("user{user}+x@{}", name(user)))
        });
        let misses = requests(|at| {
            let beside = at % 1_000_000 + 4 * size;
            (format!("out{}.x{}", at % 977, name(beside)), other_address(beside), format!("u{at}@x{}", name(beside)))
        });
        for (regexes, with) in [(false, "names and networks"), (true, "and 10 regexes")] {
            let clients = clients(size, regexes);
            for (kind, requests, listed) in [("hit", &hits, true), ("miss", &misses, false)] {
                let mut group = criterion.benchmark_group(format!("whitelist/{size} {with}/{kind}"));
                group.throughput(Throughput::Elements(1));
                let mut next = 0;
                let mut each = |look_up: &mut dyn FnMut(&(String, IpAddr, String)) -> bool| {
                    next = (next + 1) % REQUESTS;
                    assert_eq!(look_up(&requests[next]), listed);
                };
                group.bench_function("client", |bencher| {
                    bencher.iter(|| {
                        each(&mut |(name, address, _)| {
                            let name = clients.has_name(name.as_bytes());
                            let address = clients.has_address(*address);
                            assert_eq!(name, address);
                            name
                        });
                    });
                });
                group.bench_function("client and recipient", |bencher| {
                    bencher.iter(|| {
                        each(&mut |request| {
                            let (name, address, recipient) = look_up(&clients, &recipients, request);
                            assert_eq!((name, address), (recipient, recipient));
                            name
                        });
                    });
                });
                group.finish();
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = bench
}
criterion_main!(benches);
