//! Sixteen subbands into three arrays (optimisation 1): ours, loading all and concatenating, the design document's batches,
//! and the limit. Memory is compared by the program `merge`, which gives each way a process of its own.

use std::cell::RefCell;
use std::time::Duration;

use benches::{Group, Kind, Ratios, Way, time};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

fn subband_merge(criterion: &mut Criterion) {
    let kind = Kind::from_environment().expect("a size that there is");
    let group = Group::make(kind).expect("room for the group");
    let title = format!("subband_merge/{}", kind.name());
    let ratios = RefCell::new(Ratios::default());
    let mut benchmark = criterion.benchmark_group(&title);
    benchmark.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(group.bytes));
    benchmark.warm_up_time(Duration::from_millis(500));
    for way in Way::ALL {
        benchmark.bench_function(way.name(), |bencher| {
            bencher.iter_custom(|n| {
                let run = |_| {
                    // What it returns is freed outside the time and before the next run.
                    let (_, took) = time(|| way.run(&group.files)).expect("a readable group");
                    ratios.borrow_mut().add(way.name(), took);
                    took
                };
                (0..n).map(run).sum()
            });
        });
    }
    benchmark.finish();
    print!("{}", ratios.borrow().report(&title, Way::Ours.name()));
}

criterion_group!(benches, subband_merge);
criterion_main!(benches);
