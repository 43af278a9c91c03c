"""One core: nanoseconds for each row, channel and source, ours beside numpy, numba and DP3 in one run."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import model_peers as peers
from env import Env, run
from model_peers import Source

SOURCES, ROWS = 100, 256
# The bars: times faster than numpy, a sincos each, a recurrence, DP3.
BARS = {"AVX-512": (150, 60, 12, 12), "AVX2": (100, 35, 7, 7)}
PEERS = ("numpy", "numba, a sincos each", "numba, recurrence", "DP3")
# Two threads of ours, of what two independent spinning processes have.
SCALING = 0.95
FIRST_HZ, STEP_HZ = 1.28e9, 244_140.625


def kernel(env: Env, folder: Path, repeats: int) -> bool:
    example = env.contimg.parent / "examples" / "prediction_speed"
    cpu = min(os.sched_getaffinity(0))
    sincos, recurrence = peers.numba_kernels()
    rng = np.random.default_rng(3)
    uvw = rng.uniform(-1500, 1500, (ROWS, 3))
    sources = [Source(float(a), float(d), float(f)) for a, d, f in zip(*rng.uniform(-2, 2, (2, SOURCES)), rng.uniform(0.1, 1.1, SOURCES), strict=True)]
    lmn, jy = peers.cosines(sources, np.zeros(2)), np.array([s.jy for s in sources])
    theirs: dict[tuple[str, int], float] = {}
    records: dict[tuple, dict] = {}

    def best(key: tuple[str, int], ns: float) -> None:
        theirs[key] = min(ns, theirs.get(key, np.inf))

    before = os.sched_getaffinity(0)
    sets = {channels: dp3_set(env, folder, channels) for channels in (768, 48)}
    for channels in (768, 48):
        freq = FIRST_HZ + STEP_HZ * np.arange(channels)
        # Compiled before it is timed, and all three are the same model.
        few = [way(uvw[:4], lmn, jy, freq) for way in (peers.numpy_kernel, sincos, recurrence)]
        assert all(np.abs(f - few[0]).max() < 1e-6 * jy.sum() for f in few)
    for _ in range(repeats):
        for line in run([str(example), "--json"]).splitlines():
            record = json.loads(line)
            key = (record["channels"], record.get("sky", "two threads"), record.get("set", ""))
            known = records.setdefault(key, record)
            if record.get("ns", np.inf) < known.get("ns", 0) or record.get("two_threads", 0) / record.get("spinning", 1) > known.get("two_threads", np.inf) / known.get("spinning", 1):
                records[key] = record
        os.sched_setaffinity(0, {cpu})
        for channels in (768, 48):
            freq = FIRST_HZ + STEP_HZ * np.arange(channels)
            rows = {"numpy": ROWS, PEERS[1]: 32, PEERS[2]: ROWS}
            for name, way in zip(PEERS, (peers.numpy_kernel, sincos, recurrence), strict=False):
                seconds = timed(lambda way=way, name=name: way(uvw[: rows[name]], lmn, jy, freq))
                best((name, channels), seconds * 1e9 / (rows[name] * SOURCES * channels))
            best(("DP3", channels), dp3_ns(folder, sets[channels], channels))
        os.sched_setaffinity(0, before)
    return judge(records, theirs)


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def dp3_set(env: Env, folder: Path, channels: int) -> tuple[Path, int]:
    """A set of one field for DP3, and its number of rows that it predicts (it leaves autocorrelations out)."""
    files = env.make_group(folder / f"in{channels}", "--antennas", "24", "--times", "24", "--channels", str(channels // 16), "--pols", "4")
    ms, _ = env.convert(files, folder / f"dp3-{channels}", "--centres", "mid")
    shutil.rmtree(folder / f"in{channels}")
    return ms, 24 * 24 * 23 // 2


def dp3_ns(folder: Path, prepared: tuple[Path, int], channels: int) -> float:
    """DP3 on one core: what the step itself took for 100 sources, less what it took for one."""
    from casacore.tables import table

    ms, rows = prepared
    with table(str(ms / "FIELD"), ack=False) as t:
        ra, dec = np.rad2deg(t.getcell("PHASE_DIR", 0)[0])
    rng = np.random.default_rng(3)
    sources = [Source(float(ra + a), float(dec + d), 1.0) for a, d in rng.uniform(-0.5, 0.5, (SOURCES, 2))]
    seconds = []
    for n in (1, SOURCES):
        listed = peers.source_list(folder / "dp3.txt", sources[:n])
        out = folder / "dp3-out.ms"
        shutil.rmtree(out, ignore_errors=True)
        steps = peers.dp3(ms, out, listed)
        seconds.append(next(s for name, s in steps.items() if name.lower().startswith(("predict", "onepredict"))))
    return (seconds[1] - seconds[0]) * 1e9 / (rows * channels * (SOURCES - 1))


def judge(records: dict[tuple, dict], theirs: dict[tuple[str, int], float]) -> bool:
    passed = True
    for channels in (768, 48):
        print(f"    {channels} channels, ns: " + ", ".join(f"{p} {theirs[p, channels]:.2f}" for p in PEERS))
        for (n, sky, name), record in records.items():
            if n != channels or sky == "two threads":
                continue
            ns = record["ns"]
            ratios = [theirs[p, channels] / ns for p in PEERS]
            of_peak = 100 * 8 / ns / record["peak_gflops"]
            line = ", ".join(f"{r:.0f}×" for r in ratios)
            # The bars are for the whole band; with 48 channels the first phase of each source costs as much as the rest.
            judged = sky == "flat" and name in BARS and channels == 768
            good = not judged or all(r >= b for r, b in zip(ratios, BARS[name], strict=True))
            passed &= good
            limits = f" (≥ {', '.join(f'{b}×' for b in BARS[name])})" if judged else ""
            mark = ("ok " if good else "BAD") if judged else "   "
            print(f"{mark} {channels} channels, {sky}, {name}: {ns:.3f} ns, {8 / ns:.0f} nominal Gflop/s, {of_peak:.0f} % of the FMA peak; {line}{limits}")
        if record := records.get((channels, "two threads", "")):
            ratio = record["two_threads"] / record["spinning"]
            good = ratio >= SCALING
            passed &= good or channels != 768
            mark = ("ok " if good else "BAD") if channels == 768 else "   "
            print(f"{mark} {channels} channels, two threads: {record['two_threads']:.2f}×, spinning processes {record['spinning']:.2f}×: {ratio:.2f} (≥ {SCALING})")
    return passed
