//! What it costs to take a request apart: whole, and in the worst of pieces. In bytes a second.
//!
//! The requests are Postfix's own, as recorded from a server, with every attribute that it sends; one of 700 bytes is what a
//! remote sender with TLS and long names makes of it. Each answer is compared with what stands in the text.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongrey::policy::{Resume, Status, parse};

#[path = "support/thread_time.rs"]
mod thread_time;
use thread_time::{ThreadTime, criterion};

const REQUESTS: &[u8] = include_bytes!("../tests/data/postfix-3.7-requests.txt");

/// How many bytes the first request in `buffer` takes, if it is whole. It has to have this recipient.
fn consumed(buffer: &[u8], resume: &mut Resume, recipient: &[u8]) -> Option<usize> {
    match parse(buffer, resume) {
        Ok(Status::Complete { request, consumed, ignored_lines: 0 }) => {
            assert_eq!(black_box(request).recipient, Some(recipient));
            Some(consumed)
        }
        Ok(Status::Partial) => None,
        other => panic!("{other:?}"),
    }
}

/// The recipients of all requests, in their order.
fn recipients() -> Vec<&'static [u8]> {
    REQUESTS.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"recipient=")).collect()
}

fn whole(criterion: &mut Criterion<ThreadTime>) {
    let recipients = recipients();
    let recipient = recipients[0];
    let first = &REQUESTS[..consumed(REQUESTS, &mut Resume::default(), recipient).expect("a whole request")];
    let mut long = first[..first.len() - 1].to_vec();
    long.extend_from_slice(b"padding=");
    long.resize(698, b'x');
    long.extend_from_slice(b"\n\n");

    let mut group = criterion.benchmark_group("parse");
    for (name, request) in [("a request as recorded", first), ("a request of 700 bytes", &long)] {
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let consumed = consumed(black_box(request), &mut Resume::default(), recipient);
                assert_eq!(consumed, Some(request.len()));
            });
        });
    }
    group.throughput(Throughput::Bytes(REQUESTS.len() as u64));
    assert_eq!(recipients.len(), 22);
    group.bench_function("22 pipelined requests", |bencher| {
        bencher.iter(|| {
            let (mut rest, mut resume) = (black_box(REQUESTS), Resume::default());
            for recipient in &recipients {
                rest = &rest[consumed(rest, &mut resume, recipient).expect("there is another")..];
            }
            assert!(rest.is_empty());
        });
    });
    group.throughput(Throughput::Bytes(long.len() as u64));
    group.bench_function("700 bytes one by one", |bencher| {
        bencher.iter(|| {
            let mut resume = Resume::default();
            let complete = (1..=long.len()).find_map(|end| consumed(black_box(&long[..end]), &mut resume, recipient));
            assert_eq!(complete, Some(long.len()));
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = whole
}
criterion_main!(benches);
