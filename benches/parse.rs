//! What it costs to take a request apart: whole, and in the worst of pieces.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongrey::policy::{Resume, Status, parse};

#[path = "support/thread_time.rs"]
mod thread_time;
use thread_time::{ThreadTime, criterion};

const REQUESTS: &[u8] = include_bytes!("../tests/data/postfix-3.7-requests.txt");

fn consumed(buffer: &[u8], resume: &mut Resume) -> Option<usize> {
    match parse(buffer, resume) {
        Ok(Status::Complete { request, consumed, ignored_lines: 0 }) => {
            assert!(black_box(request).recipient.is_some());
            Some(consumed)
        }
        Ok(Status::Partial) => None,
        other => panic!("{other:?}"),
    }
}

fn whole(criterion: &mut Criterion<ThreadTime>) {
    let first = &REQUESTS[..consumed(REQUESTS, &mut Resume::default()).expect("a whole request")];
    // What a remote sender with TLS and long names makes of it.
    let mut long = first[..first.len() - 1].to_vec();
    long.extend_from_slice(b"padding=");
    long.resize(698, b'x');
    long.extend_from_slice(b"\n\n");

    let mut group = criterion.benchmark_group("parse");
    for (name, request) in [("a request as recorded", first), ("a request of 700 bytes", &long)] {
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(consumed(black_box(request), &mut Resume::default()), Some(request.len())));
        });
    }
    group.throughput(Throughput::Elements(22));
    group.bench_function("22 pipelined requests", |bencher| {
        bencher.iter(|| {
            let (mut rest, mut resume, mut requests) = (black_box(REQUESTS), Resume::default(), 0);
            while let Some(length) = consumed(rest, &mut resume) {
                rest = &rest[length..];
                requests += 1;
            }
            assert_eq!(requests, 22);
        });
    });
    group.throughput(Throughput::Bytes(long.len() as u64));
    group.bench_function("700 bytes one by one", |bencher| {
        bencher.iter(|| {
            let mut resume = Resume::default();
            let complete = (1..=long.len()).find_map(|end| consumed(black_box(&long[..end]), &mut resume));
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
