//! How long a visibility of a source takes: `cargo run --release -p calib-model --example prediction_speed -- [--json]`.
//!
//! For each instruction set of the machine: nanoseconds per (row × channel × source), against one sincos each in the same
//! run; and floating-point operations, 8 a channel and source as the plain formula has them, against the multiply-adds
//! that the core does at best. The kernel for flat spectra needs fewer than 8 operations, so the last figure may exceed 100 %.

use std::f64::consts::TAU;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use calib_model::{
    Beam, Complex32, Component, Correlation, Direction, Field, Instructions, Mode, Options, Position, Predictor, Rows,
    Shape, SkyModel, Spectrum, Window,
};
use num_complex::Complex64;
use pulp::{Simd, WithSimd};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const ROWS: usize = 256;
const SOURCES: usize = 100;
const FIRST_HZ: f64 = 1.28e9;
const STEP_HZ: f64 = 244_140.625;
const TRIALS: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cpus = cpus();
    let centre = Direction::icrs(0.003, 0.28);
    let uvw_m = baselines();
    let sets: Vec<Instructions> = [Instructions::Avx512, Instructions::Avx2, Instructions::Scalar]
        .into_iter()
        .filter(|i| i.is_available())
        .collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).start_handler(pin(cpus.clone())).build()?;

    // One JSON object a line, for `cargo xtask compare --model`.
    let json = std::env::args().any(|a| a == "--json");
    if !json {
        println!("{ROWS} rows, {SOURCES} sources, one thread; best of {TRIALS}");
        println!(
            "{:>10} {:>9} {:>10} {:>10} {:>9} {:>10} {:>10}",
            "channels", "sky", "set", "ns", "vs plain", "Gflop/s", "of peak"
        );
    }
    for channels in [768, 48] {
        for sky in ["flat", "spectra", "Gaussian"] {
            let model = SkyModel::new(sources(centre, sky))?;
            let plain_ns = pool.install(|| plain(&model, centre, &uvw_m, channels));
            for &set in &sets {
                let peak = pool.install(|| peak_gflops(set));
                let predictor =
                    Predictor::new(model.clone(), Beam::None, Options { instructions: set, ..Options::default() })?;
                let seconds = pool.install(|| time(&predictor, centre, &uvw_m, channels, TRIALS));
                let ns = per_visibility(seconds, channels);
                if json {
                    println!(
                        r#"{{"channels": {channels}, "sky": "{sky}", "set": "{}", "ns": {ns}, "plain_ns": {plain_ns}, "peak_gflops": {peak}}}"#,
                        set.name()
                    );
                    continue;
                }
                println!(
                    "{channels:>10} {sky:>9} {:>10} {ns:>10.4} {:>8.0}x {:>10.1} {:>9.0}%",
                    set.name(),
                    plain_ns / ns,
                    8.0 / ns,
                    800.0 / ns / peak
                );
            }
            if !json {
                println!("{channels:>10} {sky:>9} {:>10} {plain_ns:>10.2} {:>8}x", "plain", 1);
            }
        }
    }
    for &set in sets.iter().filter(|_| !json) {
        let one = SkyModel::new(sources(centre, "flat").into_iter().take(1).collect())?;
        let predictor = Predictor::new(one, Beam::None, Options { instructions: set, ..Options::default() })?;
        for channels in [768, 48] {
            let seconds = pool.install(|| time(&predictor, centre, &uvw_m, channels, TRIALS));
            let values = (ROWS * channels * 2) as f64;
            println!(
                "one source, {channels} channels, {}: {:.2} ns a visibility of 2 correlations, {:.1} GB/s",
                set.name(),
                seconds * 1e9 / values,
                8e-9 * values / seconds
            );
        }
    }
    if !json {
        pool.install(|| windows(centre, &uvw_m));
    }
    if cpus.len() > 1 {
        scaling(&cpus, centre, &uvw_m, json)?;
    }
    Ok(())
}

/// Sixteen windows of 48 channels: a call each, and all in one call, with gaps between them and without.
fn windows(centre: Direction, uvw_m: &[[f64; 3]]) {
    let correlations = [Correlation::XX, Correlation::YY];
    for sky in ["flat", "spectra"] {
        let model = SkyModel::new(sources(centre, sky)).expect("because the sources are valid");
        let predictor = Predictor::new(model, Beam::None, Options::default()).expect("because any processor will do");
        let mut vis = vec![vec![Complex32::ZERO; uvw_m.len() * 48 * 2]; 16];
        let mut best = [f64::INFINITY; 3];
        for _ in 0..TRIALS {
            for (best, (apart, gap_hz)) in best.iter_mut().zip([(true, 0.0), (false, 1e6), (false, 0.0)]) {
                let first_hz = |w: usize| FIRST_HZ + w as f64 * (48.0 * STEP_HZ + gap_hz);
                let freq_hz: Vec<Vec<f64>> =
                    (0..16).map(|w| (0..48).map(|c| first_hz(w) + STEP_HZ * c as f64).collect()).collect();
                let windows = freq_hz.iter().zip(&mut vis);
                let mut windows: Vec<Window<'_>> = windows.map(|(freq_hz, vis)| Window { freq_hz, vis }).collect();
                let started = Instant::now();
                for windows in windows.chunks_mut(if apart { 1 } else { 16 }) {
                    let rows = Rows::new(uvw_m);
                    let done = predictor.predict(&[Field::new(centre)], &rows, &correlations, windows, Mode::Replace);
                    done.expect("because the request is valid");
                }
                *best = started.elapsed().as_secs_f64().min(*best);
            }
        }
        let [apart, gaps, whole] = best.map(|seconds| per_visibility(seconds, 16 * 48));
        println!(
            "16 windows of 48 channels, {sky}: {apart:.4} ns a call each, {gaps:.4} in one call with gaps, {whole:.4} without"
        );
    }
}

/// Two threads of ours against two pinned threads that only multiply and add, in turns.
fn scaling(
    cpus: &[usize],
    centre: Direction,
    uvw_m: &[[f64; 3]],
    json: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let pools =
        [1, 2].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).start_handler(pin(cpus.to_vec())).build());
    let [one, two] = pools;
    let (one, two) = (one?, two?);
    for channels in [768, 48] {
        // Some twenty milliseconds for each: a second thread wakes up in a twentieth of one.
        let uvw_m: Vec<[f64; 3]> = uvw_m.iter().cycle().take(8 * ROWS * 768 / channels).copied().collect();
        let predictor = Predictor::new(SkyModel::new(sources(centre, "flat"))?, Beam::None, Options::default())?;
        let mut best = [Duration::MAX; 4];
        for _ in 0..TRIALS {
            let spin = |n| spin_together(&cpus[..n]);
            let ours = |pool: &rayon::ThreadPool| {
                pool.install(|| Duration::from_secs_f64(time(&predictor, centre, &uvw_m, channels, 1)))
            };
            for (best, now) in best.iter_mut().zip([ours(&one), ours(&two), spin(1), spin(2)]) {
                *best = now.min(*best);
            }
        }
        let ours = best[0].as_secs_f64() / best[1].as_secs_f64();
        let spinning = 2.0 * best[2].as_secs_f64() / best[3].as_secs_f64();
        if json {
            println!(r#"{{"channels": {channels}, "two_threads": {ours}, "spinning": {spinning}}}"#);
            continue;
        }
        println!(
            "two threads, {channels} channels: {ours:.2} times as fast as one; two independent spinning threads {spinning:.2}; ratio {:.2}",
            ours / spinning
        );
    }
    Ok(())
}

fn cpus() -> Vec<usize> {
    sched_getaffinity(None).map_or_else(|_| vec![0], |set| (0..CpuSet::MAX_CPU).filter(|&c| set.is_set(c)).collect())
}

fn pin(cpus: Vec<usize>) -> impl Fn(usize) + Send + Sync + 'static {
    move |thread| {
        let mut set = CpuSet::new();
        set.set(cpus[thread % cpus.len()]);
        if let Err(error) = sched_setaffinity(None, &set) {
            eprintln!("warning: cannot pin thread {thread}: {error}");
        }
    }
}

/// Numbers in 0..1 from a counter (SplitMix64).
fn random(n: u64) -> f64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn baselines() -> Vec<[f64; 3]> {
    (0..ROWS as u64).map(|r| [0, 1, 2].map(|k| 3000.0 * (random(3 * r + k + 1) - 0.5))).collect()
}

fn sources(centre: Direction, sky: &str) -> Vec<Component> {
    let component = |k: u64| {
        let at = |n: u64, width: f64| width * (random(10_000 + 7 * k + n) - 0.5);
        let jy = 0.1 + random(20_000 + k);
        Component {
            name: String::new(),
            position: Position::Sky(Direction::icrs(centre.lon_rad + at(0, 0.1), centre.lat_rad + at(1, 0.1))),
            shape: if sky == "Gaussian" {
                Shape::Gaussian { major_rad: 5e-5, minor_rad: 2e-5, angle_rad: at(2, TAU) }
            } else {
                Shape::Point
            },
            spectrum: if sky == "flat" { Spectrum::flat(jy) } else { Spectrum::power_law(jy, 1.4e9, -0.7) },
        }
    };
    (0..SOURCES as u64).map(component).collect()
}

fn per_visibility(seconds: f64, channels: usize) -> f64 {
    seconds * 1e9 / (ROWS * SOURCES * channels) as f64
}

/// The best time of a call, seconds.
fn time(predictor: &Predictor, centre: Direction, uvw_m: &[[f64; 3]], channels: usize, trials: usize) -> f64 {
    let freq_hz: Vec<f64> = (0..channels).map(|c| FIRST_HZ + STEP_HZ * c as f64).collect();
    let correlations = [Correlation::XX, Correlation::YY];
    let mut vis = vec![Complex32::ZERO; uvw_m.len() * channels * correlations.len()];
    let mut best = f64::INFINITY;
    for _ in 0..trials {
        let started = Instant::now();
        let window = Window { freq_hz: &freq_hz, vis: &mut vis };
        let done =
            predictor.predict(&[Field::new(centre)], &Rows::new(uvw_m), &correlations, &mut [window], Mode::Replace);
        best = best.min(started.elapsed().as_secs_f64());
        done.expect("because the request is valid");
    }
    black_box(&vis);
    best
}

/// Nanoseconds of the plain formula: a delay a row and source, a sincos and a product each channel.
fn plain(model: &SkyModel, centre: Direction, uvw_m: &[[f64; 3]], channels: usize) -> f64 {
    let freq_hz: Vec<f64> = (0..channels).map(|c| FIRST_HZ + STEP_HZ * c as f64).collect();
    let fluxes: Vec<Vec<f64>> = model
        .components()
        .iter()
        .map(|c| freq_hz.iter().map(|&f| c.spectrum.at(f).map_or(0.0, |s| s[0])).collect())
        .collect();
    let rows = &uvw_m[..if channels > 100 { 4 } else { 32 }];
    let mut sum = vec![Complex64::ZERO; channels];
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let started = Instant::now();
        for uvw in rows {
            for (component, fluxes) in model.components().iter().zip(&fluxes) {
                let Position::Sky(direction) = component.position else { continue };
                let [l, m, n] = calib_model::reference::cosines(direction, centre);
                let delay = (uvw[0] * l + uvw[1] * m + uvw[2] * (n - 1.0)) / 299_792_458.0;
                for ((sum, freq), jy) in sum.iter_mut().zip(&freq_hz).zip(fluxes) {
                    let (sin, cos) = (TAU * delay * freq).sin_cos();
                    *sum += Complex64::new(jy * cos, jy * sin);
                }
            }
        }
        best = best.min(started.elapsed().as_secs_f64());
    }
    black_box(&sum);
    best * 1e9 / (rows.len() * SOURCES * channels) as f64
}

const STEPS: usize = 200_000;
const CHAINS: usize = 12;

/// Independent multiply-adds in as many registers as hide their latency.
struct Spin;

impl WithSimd for Spin {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> f64 {
        let (a, b) = (s.splat_f64s(black_box(0.999)), s.splat_f64s(black_box(0.001)));
        let mut chains = [a; CHAINS];
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = s.mul_add_e_f64s(*chain, a, b);
            }
        }
        let mut sum = 0.0;
        for chain in chains {
            sum += s.reduce_sum_f64s(chain);
        }
        (STEPS * CHAINS * 2 * S::F64_LANES) as f64 + 0.0 * black_box(sum)
    }
}

fn spin(set: Instructions) -> f64 {
    #[cfg(target_arch = "x86_64")]
    match set {
        Instructions::Scalar => return Spin.with_simd(pulp::Scalar::new()),
        Instructions::Avx2 => {
            if let Some(simd) = pulp::x86::V3::try_new() {
                return Simd::vectorize(simd, Spin);
            }
        }
        Instructions::Avx512 | Instructions::Best => {}
    }
    pulp::Arch::new().dispatch(Spin)
}

/// Multiply-adds of one core, 10⁹ floating-point operations a second.
fn peak_gflops(set: Instructions) -> f64 {
    (0..TRIALS)
        .map(|_| {
            let started = Instant::now();
            spin(set) / started.elapsed().as_secs_f64() * 1e-9
        })
        .fold(0.0, f64::max)
}

/// The time until all of some pinned threads have spun for as long as one alone needs for the same.
fn spin_together(cpus: &[usize]) -> Duration {
    let barrier = Barrier::new(cpus.len());
    let run = |cpu: usize| {
        pin(vec![cpu])(0);
        barrier.wait();
        let started = Instant::now();
        for _ in 0..40 {
            black_box(spin(Instructions::Best));
        }
        started.elapsed()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = cpus.iter().map(|&cpu| scope.spawn(move || run(cpu))).collect();
        threads.into_iter().filter_map(|t| t.join().ok()).max().unwrap_or(Duration::MAX)
    })
}
