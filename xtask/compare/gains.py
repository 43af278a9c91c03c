"""Gains: `contimg solve` and `contimg apply` against the truth, CASA's gaincal, bandpass and applycal, and WSClean.

- truth: known gains and bandpasses in a sky group (20 dB a visibility, 10 % outliers, 5 dead antennas, 3 % flagged) are found
  again; what is corrected and corrupted again is what it was.
- casa: CASA's gaincal and bandpass on the same set, without outliers; its applycal with our tables, and we with its.
- vla: the same with the VLA set beside the workspace.
- delay: known delays put into a set, against the truth and CASA's gaincal gaintype='K'; either applies the other's table.
- read: pyuvdata's UVCal.read_ms_cal reads our tables.
- speed: a set of the instrument's size, times and peak memory in one run.
- image: a sky group, corrupted, calibrated on itself and imaged by WSClean.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from casacore.tables import makecoldesc, table

from casa import configured
from env import Env, Failed, run

BAND_START_HZ, BAND_WIDTH_HZ = 1.31125e9, 187.5e6
ALL = ("truth", "casa", "vla", "delay", "read", "speed", "image")


@dataclass
class Line:
    """One figure and its limit."""

    name: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def passed(self) -> bool:
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{'  ' if self.passed else '✗ '}{self.name:<58} {self.value:10.4g} {self.unit:<4} {sign} {self.limit:g}"


# The truth, as crates/fixtures/src/corruption.rs says it.


def true_gain(r: dict, jd: float) -> complex:
    x = 2 * np.pi * ((jd - 2460000.5) * 86400 / r["drift_period_s"] + r["drift_start"])
    return r["amplitude"] * (1 + r["drift"] * np.sin(x)) * np.exp(1j * (r["phase_rad"] + r["drift"] * np.cos(x)))


def true_bandpass(r: dict, hz: np.ndarray) -> np.ndarray:
    offset = hz - BAND_START_HZ
    y = 2 * np.pi * (r["ripple_cycles"] * offset / BAND_WIDTH_HZ + r["ripple_start"])
    delay = 2 * np.pi * r["delay_ns"] * 1e-9 * (offset - BAND_WIDTH_HZ / 2)
    return (1 + r["ripple"] * np.sin(y)) * np.exp(1j * (r["ripple"] * np.cos(y) + delay))


@dataclass
class Table:
    """A calibration table, by rows."""

    antenna: np.ndarray
    reference: np.ndarray
    window: np.ndarray
    time: np.ndarray
    gains: list[np.ndarray]
    flags: list[np.ndarray]
    errors: list[np.ndarray]  # from SNR: CASA's PARAMERR is that before the normalisation
    names: list[str]
    hz: list[np.ndarray]

    @classmethod
    def read(cls, path: Path) -> "Table":
        t = table(str(path), ack=False)
        each = lambda column: [t.getcell(column, row) for row in range(t.nrows())]  # noqa: E731
        windows = table(str(path / "SPECTRAL_WINDOW"), ack=False)
        column = "CPARAM" if "CPARAM" in t.colnames() else "FPARAM"
        return cls(
            t.getcol("ANTENNA1"), t.getcol("ANTENNA2"), t.getcol("SPECTRAL_WINDOW_ID"), t.getcol("TIME"),
            each(column), each("FLAG"), [np.abs(g) / np.maximum(snr, 1e-6) for g, snr in zip(each(column), each("SNR"), strict=True)], table(str(path / "ANTENNA"), ack=False).getcol("NAME"),
            [windows.getcell("CHAN_FREQ", row) for row in range(windows.nrows())],
        )  # fmt: skip


def rms(values: Iterable[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([np.atleast_1d(v) for v in values]) ** 2)))


def fill_model(ms: Path, jy: float) -> None:
    """MODEL_DATA of one source in the phase centre."""
    with table(str(ms), readonly=False, ack=False) as t:
        if "MODEL_DATA" not in t.colnames():
            description, manager = t.getcoldesc("DATA"), t.getdminfo("DATA")
            manager["NAME"] = "TiledModel"
            t.addcols(makecoldesc("MODEL_DATA", description), manager)
        for start in range(0, t.nrows(), 20000):
            count = min(20000, t.nrows() - start)
            values = t.getcol("DATA", start, count)
            values[...] = jy
            t.putcol("MODEL_DATA", values, start, count)


def calibrator(env: Env, folder: Path, antennas: int, *corruption: str, channels: int = 48) -> tuple[Path, dict]:
    files = env.make_group(
        folder / "in", "--size", "full", "--antennas", str(antennas), "--channels", str(channels),
        "--content", "sky", "--sources", "1", "--radius", "0", *corruption,
    )  # fmt: skip
    truth = json.loads((folder / "in" / "truth.json").read_text())
    ms, _ = env.convert(files, folder / "ms")
    shutil.rmtree(folder / "in")
    fill_model(ms, truth["sources"][0]["flux_jy"])
    return ms, truth


def solve(env: Env, ms: Path, *options: str) -> dict:
    return json.loads(run([str(env.contimg), "solve", str(ms), "--json", "--overwrite", *options]))


def apply(env: Env, ms: Path, tables: list[Path], *options: str) -> dict:
    command = [str(env.contimg), "apply", str(ms), "--tables", ",".join(map(str, tables)), "--json", *options]
    return json.loads(run(command))


def check_truth(env: Env, folder: Path, antennas: int) -> list[Line]:
    ms, truth = calibrator(env, folder, antennas, "--corrupt")
    solve(env, ms, "--prefix", "cal", "--short", "none")
    base = ms.parent
    solve(env, ms, "--prefix", "fine", "--bandpass", "none", "--long", "none", "--short", "int", "--short-mode", "ap",
          "--known", str(base / "cal_bpcal"))  # fmt: skip
    receptors = {(r["antenna"], r["receptor"]): r for r in truth["receptors"]}
    bandpass, gains = Table.read(base / "cal_bpcal"), Table.read(base / "fine_2gcal")
    amplitude, phase = [], []
    for row, antenna in enumerate(bandpass.antenna):
        for p in (0, 1):
            good = ~bandpass.flags[row][:, p]
            if not good.any():
                continue
            hz = bandpass.hz[bandpass.window[row]]
            of = lambda a, p=p, hz=hz: true_bandpass(receptors[bandpass.names[a], p], hz)  # noqa: E731
            want = of(antenna) * np.exp(-1j * np.angle(of(bandpass.reference[row])))
            want /= np.sqrt(np.mean(np.abs(want[good]) ** 2)) * np.exp(1j * np.angle(np.mean((want / np.abs(want))[good])))
            ratio = (bandpass.gains[row][:, p] / want)[good]
            amplitude.append(np.abs(ratio) - 1)
            phase.append(np.angle(ratio))
    lines = [
        Line(f"bandpass, {antennas} antennas, 24 integrations: amplitude, rms", 100 * rms(amplitude), 0.5, "%"),
        Line("bandpass: phase, rms", np.degrees(rms(phase)), 0.3, "°"),
    ]
    row_of = {(a, w): row for row, (a, w) in enumerate(zip(bandpass.antenna, bandpass.window, strict=True))}
    amplitude, phase = [], []
    for row, antenna in enumerate(gains.antenna):
        jd, window = gains.time[row] / 86400 + 2400000.5, gains.window[row]
        for p in (0, 1):
            if gains.flags[row][0, p]:
                continue
            own, reference = (row_of[a, window] for a in (antenna, gains.reference[row]))
            good = ~bandpass.flags[own][:, p] & ~bandpass.flags[reference][:, p]
            hz = bandpass.hz[window]
            of = lambda a, p=p, jd=jd, hz=hz: true_gain(receptors[gains.names[a], p], jd) * true_bandpass(  # noqa: E731
                receptors[gains.names[a], p], hz)  # fmt: skip
            want = of(antenna) * np.exp(-1j * np.angle(of(gains.reference[row])))
            phasor = np.exp(-1j * np.angle(bandpass.gains[reference][:, p]))
            ratio = np.mean((gains.gains[row][0, p] * bandpass.gains[own][:, p] * phasor / want)[good])
            amplitude.append(np.abs(ratio) - 1)
            phase.append(np.angle(ratio))
    channels = len(bandpass.hz[0])
    lines += [
        Line(f"gains of each integration over {channels} channels: amplitude, rms", 100 * rms(amplitude), 0.5, "%"),
        Line("gains: phase, rms", np.degrees(rms(phase)), 0.3, "°"),
    ]
    lines.append(there_and_back(env, ms, base / "cal_bpcal", base / "fine_2gcal"))
    return lines


def there_and_back(env: Env, ms: Path, bandpass: Path, gains: Path) -> Line:
    """Applies tables, and then their inverses to what came out; that must be DATA again."""
    apply(env, ms, [bandpass, gains], "--interpolation", "nearest")
    inverse = []
    for path in (bandpass, gains):
        other = path.with_name(path.name + "_inverse")
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(path, other)
        with table(str(other), readonly=False, ack=False) as t:
            for row in range(t.nrows()):
                cell, flags = t.getcell("CPARAM", row), t.getcell("FLAG", row)
                t.putcell("CPARAM", row, np.where(flags, 1, 1 / np.where(flags, 1, cell)).astype(np.complex64))
        (other / ".product.json").unlink(missing_ok=True)
        inverse.append(other)
    back = ms.with_name("back.ms")
    shutil.rmtree(back, ignore_errors=True)
    shutil.copytree(ms, back)
    (back / ".product.json").unlink(missing_ok=True)
    with table(str(back), readonly=False, ack=False) as t:
        for start in range(0, t.nrows(), 20000):
            t.putcol("DATA", t.getcol("CORRECTED_DATA", start, min(20000, t.nrows() - start)), start, min(20000, t.nrows() - start))
    apply(env, back, inverse, "--interpolation", "nearest")
    worst = 0.0
    with table(str(ms), ack=False) as a, table(str(back), ack=False) as b:
        for start in range(0, a.nrows(), 20000):
            count = min(20000, a.nrows() - start)
            good = ~a.getcol("FLAG", start, count)
            want, got = a.getcol("DATA", start, count)[good], b.getcol("CORRECTED_DATA", start, count)[good]
            if len(want):
                worst = max(worst, float((np.abs(got - want) / np.maximum(np.abs(want), 1e-6)).max()))
    shutil.rmtree(back)
    return Line("corrected, then corrected by the inverse: greatest relative error", worst, 1e-5)


# CASA, in a process of its own.


def casa_tasks(scratch: Path, steps: list[tuple[str, dict]]) -> dict:
    """Runs CASA's tasks one after the other; gives their times and the process's peak memory."""
    environ = configured(scratch)
    steps_file = scratch / "steps.json"
    steps_file.write_text(json.dumps(steps))
    command = [sys.executable, str(Path(__file__).resolve()), "--casa", str(steps_file)]
    done = subprocess.run(command, cwd=scratch, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(command, done.returncode, done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _casa_main(steps_file: str) -> int:
    import casatasks

    casatasks.casalog.setlogfile("casa.log")
    casatasks.casalog.showconsole(False)
    seconds = []
    for name, arguments in json.loads(Path(steps_file).read_text()):
        start = time.monotonic()
        getattr(casatasks, name)(**arguments)
        seconds.append(time.monotonic() - start)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    print(json.dumps({"seconds": seconds, "peak": int(status["VmHWM"].split()[0]) * 1024}))
    return 0


def apart(ours: Table, theirs: Table) -> tuple[float, float, int]:
    """Differences of two tables in units of CASA's formal noise: median and root mean square, and how many solutions."""
    rows = {(a, w, round(t)): row for row, (a, w, t) in enumerate(zip(theirs.antenna, theirs.window, theirs.time, strict=True))}
    times = np.unique(theirs.time)
    found = []
    for row, antenna in enumerate(ours.antenna):
        nearest = times[np.argmin(np.abs(times - ours.time[row]))]
        other = rows.get((antenna, ours.window[row], round(nearest)))
        if other is None:
            continue
        good = ~ours.flags[row] & ~theirs.flags[other]
        difference = np.abs(ours.gains[row] - theirs.gains[other])[good]
        found.append(difference / np.maximum(theirs.errors[other][good], 1e-12))
    all_of = np.concatenate(found)
    return float(np.median(all_of)), rms(found), len(all_of)


def corrected_apart(a: Path, b: Path) -> float:
    """The greatest difference of CORRECTED_DATA in units of each row's rms, over what neither flags."""
    worst = 0.0
    with table(str(a), ack=False) as x, table(str(b), ack=False) as y:
        for start in range(0, x.nrows(), 20000):
            count = min(20000, x.nrows() - start)
            good = ~x.getcol("FLAG", start, count) & ~y.getcol("FLAG", start, count)
            p, q = x.getcol("CORRECTED_DATA", start, count), y.getcol("CORRECTED_DATA", start, count)
            size = np.maximum(np.abs(p), 1e-3 * np.abs(p[good]).mean() if good.any() else 1)
            if good.any():
                worst = max(worst, float((np.abs(p - q) / size)[good].max()))
    return worst


def flags_apart(a: Path, b: Path) -> float:
    with table(str(a), ack=False) as x, table(str(b), ack=False) as y:
        differ = sum(
            int((x.getcol("FLAG", s, n) != y.getcol("FLAG", s, n)).sum())
            for s in range(0, x.nrows(), 20000) for n in [min(20000, x.nrows() - s)]
        )  # fmt: skip
    return float(differ)


def weights_apart(a: Path, b: Path) -> float:
    with table(str(a), ack=False) as x, table(str(b), ack=False) as y:
        p, q = x.getcol("WEIGHT"), y.getcol("WEIGHT")
    return float((np.abs(p - q) / np.maximum(np.abs(q), 1e-12)).max())


def against_casa(env: Env, ms: Path, scratch: Path, what: str, refant: str) -> list[Line]:
    """Both programs solve and apply, on copies of one set."""
    base = ms.parent
    scratch.mkdir(parents=True, exist_ok=True)
    common = {"vis": str(ms), "refant": refant, "minsnr": 3.0, "minblperant": 4}
    theirs = {name: base / f"casa_{name}" for name in ("p", "b", "g")}
    for path in theirs.values():
        shutil.rmtree(path, ignore_errors=True)
    casa_tasks(scratch, [
        ("gaincal", {**common, "caltable": str(theirs["p"]), "solint": "inf", "combine": "scan,field", "gaintype": "G", "calmode": "p"}),
        ("bandpass", {**common, "caltable": str(theirs["b"]), "solint": "inf", "combine": "scan,field", "solnorm": True,
                      "bandtype": "B", "gaintable": [str(theirs["p"])]}),
        ("gaincal", {**common, "caltable": str(theirs["g"]), "solint": "inf", "combine": "scan,field", "gaintype": "G",
                     "calmode": "ap", "gaintable": [str(theirs["b"])]}),
    ])  # fmt: skip
    # Each task with the same tables applied: CASA's.
    plain = ["--robust", "0", "--refant", refant, "--short", "none", "--max-flagged", "1", "--prefix", "ours"]
    solve(env, ms, *plain, "--prebandpass", "none", "--known", str(theirs["p"]), "--long", "none")
    solve(env, ms, *plain, "--bandpass", "none", "--known", str(theirs["b"]))
    ours = {"b": base / "ours_bpcal", "g": base / "ours_gpcal"}
    lines = []
    for name, label in (("b", "bandpass"), ("g", "gains")):
        median, most, count = apart(Table.read(ours[name]), Table.read(theirs[name]))
        lines.append(Line(f"{what}: {label} against CASA, rms of {count} solutions", most, 2.0, "σ"))
        lines.append(Line(f"{what}: {label} against CASA, median", median, 1.0, "σ"))
    for label, tables in (("our tables", ours), ("CASA's tables", theirs)):
        pair = [str(tables["b"]), str(tables["g"])]
        copies = [base / "by_casa.ms", base / "by_us.ms"]
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(ms, copy)
            (copy / ".product.json").unlink(missing_ok=True)
        casa_tasks(scratch, [("applycal", {"vis": str(copies[0]), "gaintable": pair, "interp": ["nearest", "linear"], "calwt": True,
                                           "flagbackup": False})])  # fmt: skip
        apply(env, copies[1], [Path(p) for p in pair])
        lines.append(Line(f"{what}: {label} applied by CASA and by us, CORRECTED_DATA", corrected_apart(*copies), 1e-4))
        lines.append(Line(f"{what}: {label}, flags that differ", flags_apart(*copies), 0))
        lines.append(Line(f"{what}: {label}, WEIGHT", weights_apart(*copies), 1e-4))
        for copy in copies:
            shutil.rmtree(copy)
    return lines


def check_casa(env: Env, folder: Path, antennas: int) -> list[Line]:
    ms, _ = calibrator(env, folder, antennas, "--gains", "--drift", "0.01", "--bandpass", "0.1", "--snr-db", "20",
                       "--dead", "3", "--flags", "0.03", channels=16)  # fmt: skip
    return against_casa(env, ms, folder / "casa", "sky group", "24" if antennas < 20 else "107")


def check_vla(env: Env, folder: Path) -> list[Line]:
    archive = env.real_data and env.real_data / "rasg-datasets/visibility_data/VLA/day2_TDEM0003_10s_norx_1src_1spw.ms.tar.gz"
    if not archive or not archive.is_file():
        print("skipped: the VLA set is not beside the workspace", file=sys.stderr)
        return []
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    ms = next(folder.glob("*.ms"))
    fill_model(ms, 1.0)
    return against_casa(env, ms, folder / "casa", "VLA", "1")


def check_delay(env: Env, folder: Path, antennas: int) -> list[Line]:
    """Delays of up to 20 ns beside constant gains, 20 dB a visibility."""
    ms, _ = calibrator(env, folder, antennas, "--gains", "--drift", "0", "--snr-db", "20", "--dead", "1", "--flags", "0.03", channels=16)
    base, scratch = ms.parent, folder / "casa"
    scratch.mkdir()
    names = table(str(ms / "ANTENNA"), ack=False).getcol("NAME")
    hz = table(str(ms / "SPECTRAL_WINDOW"), ack=False).getcell("CHAN_FREQ", 0)
    truth = np.random.default_rng(6).uniform(-20, 20, (len(names), 2))
    with table(str(ms), readonly=False, ack=False) as t:
        for start in range(0, t.nrows(), 5000):
            count = min(5000, t.nrows() - start)
            pairs = [truth[t.getcol(f"ANTENNA{k}", start, count)] for k in (1, 2)]
            turns = 1e-9 * (pairs[0] - pairs[1])[:, None, :] * (hz - hz[0])[None, :, None]
            t.putcol("DATA", (t.getcol("DATA", start, count) * np.exp(2j * np.pi * turns)).astype(np.complex64), start, count)
    refant = "24" if antennas < 20 else "107"
    solve(env, ms, "--delay", "--bandpass", "none", "--long", "none", "--short", "none", "--robust", "0", "--refant", refant,
          "--prefix", "ours", "--max-flagged", "1")  # fmt: skip
    theirs = base / "casa_k"
    casa_tasks(scratch, [("gaincal", {"vis": str(ms), "refant": refant, "minsnr": 3.0, "minblperant": 4, "caltable": str(theirs),
                                      "solint": "inf", "combine": "scan,field", "gaintype": "K"})])  # fmt: skip
    reference = truth[list(names).index(refant)]
    found = {}
    for label, path in (("ours", base / "ours_kcal"), ("CASA's", theirs)):
        with table(str(path), ack=False) as t:
            found[label] = (t.getcol("ANTENNA1"), t.getcol("FPARAM")[:, 0], t.getcol("FLAG")[:, 0], t.getcol("PARAMERR")[:, 0])
    of = {label: {(a, p): v[row, p] for row, a in enumerate(antenna) for p in (0, 1) if not f[row, p]} for label, (antenna, v, f, _) in found.items()}
    antenna, values, flags, errors = found["ours"]
    good = ~flags & (antenna != list(names).index(refant))[:, None]
    # Errors are those of an antenna; the reference's own enters each difference.
    off = (values - (truth[antenna] - reference))[good] / (np.sqrt(2) * errors[good])
    both = np.array([[of["ours"][k], of["CASA's"][k], truth[k] - reference[k[1]]] for k in of["ours"] if k in of["CASA's"]])
    against_truth = [1e3 * rms([both[:, k] - both[:, 2]]) for k in (0, 1)]
    print(f"  delays: ours {against_truth[0]:.2f} ps from the truth, CASA's {against_truth[1]:.2f} ps", file=sys.stderr)
    lines = [
        Line(f"delays of {good.sum()} receptors against the truth, rms", rms([off]), 2.0, "σ"),
        Line("delays against CASA's, rms over what CASA is off the truth", rms([both[:, 0] - both[:, 1]]) / rms([both[:, 1] - both[:, 2]]), 2.0),
        Line("delays against CASA's, rms as phase over the band", 360e-9 * rms([both[:, 0] - both[:, 1]]) * BAND_WIDTH_HZ, 1.0, "°"),
    ]  # fmt: skip
    for label, path in (("our delays", base / "ours_kcal"), ("CASA's delays", theirs)):
        copies = [base / "by_casa.ms", base / "by_us.ms"]
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(ms, copy)
            (copy / ".product.json").unlink(missing_ok=True)
        casa_tasks(scratch, [("applycal", {"vis": str(copies[0]), "gaintable": [str(path)], "calwt": True, "flagbackup": False})])
        apply(env, copies[1], [path])
        lines.append(Line(f"{label} applied by CASA and by us, CORRECTED_DATA", corrected_apart(*copies), 1e-4))
        lines.append(Line(f"{label}, flags that differ", flags_apart(*copies), 0))
    return lines


def check_read(env: Env, folder: Path) -> list[Line]:
    """pyuvdata reads our tables and finds our numbers."""
    from pyuvdata import UVCal

    ms, _ = calibrator(env, folder, 8, "--gains", "--bandpass", "0.1", channels=8)
    solve(env, ms, "--prefix", "cal")
    lines = []
    for name in ("cal_bpcal", "cal_gpcal", "cal_2gcal"):
        path = ms.parent / name
        cal = UVCal()
        cal.read_ms_cal(str(path))
        ours = Table.read(path)
        found = 0.0
        for row, antenna in enumerate(ours.antenna):
            place = list(cal.ant_array).index(antenna) if antenna in cal.ant_array else None
            if place is None or ours.flags[row].all():
                continue
            when = int(np.argmin(np.abs((cal.time_array if cal.time_array is not None else cal.time_range.mean(1)) - (ours.time[row] / 86400 + 2400000.5))))
            theirs = cal.gain_array[place, :, when, :]
            found = max(found, float(min(np.abs(theirs - ours.gains[row]).max(), np.abs(theirs.conj() - ours.gains[row]).max())))
        lines.append(Line(f"pyuvdata reads {name}: greatest difference", found, 1e-6))
    return lines


# Speed.


def timed(command: list[str]) -> tuple[float, int, str]:
    """Seconds, peak memory of the process and its children, sampled, and what it printed."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while child.poll() is None:
        peak = max(peak, _tree_peak(child.pid))
        time.sleep(0.01)
    seconds = time.monotonic() - start
    if child.returncode != 0:
        raise Failed(command, child.returncode, child.stderr.read())
    return seconds, peak, child.stdout.read()


def _tree_peak(pid: int) -> int:
    """Sum of the peaks of a process and its children."""
    total = 0
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += _tree_peak(int(child))
    except (OSError, StopIteration):
        pass
    return total


def level(ms: Path, *, with_corrected: bool) -> None:
    """The same start for each program: nothing waits for the disk, what is read is in memory, and CORRECTED_DATA is there or not."""
    if not with_corrected:
        with table(str(ms), readonly=False, ack=False) as t:
            if "CORRECTED_DATA" in t.colnames():
                t.removecols("CORRECTED_DATA")
    os.sync()
    buffer = bytearray(8 << 20)
    for path in ms.glob("table.f*_TSM*"):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def check_speed(env: Env, folder: Path, antennas: int, runs: int, kept: Path | None) -> list[Line]:
    ms = kept or calibrator(env, folder, antennas, "--corrupt")[0]
    base, scratch = ms.parent, folder / "casa"
    scratch.mkdir()
    # Plain least squares, as CASA does; and by default, with two rounds against outliers.
    plain = ["--robust", "0"]
    gains = ["--bandpass", "none", "--long", "none", "--short", "60", "--known", str(base / "t_bpcal")]
    bandpass = ["--prebandpass", "none", "--long", "none", "--short", "none"]
    stage = {
        "gains": [*gains, *plain],
        "bandpass": [*bandpass, *plain],
        "gains, robust": gains,
        "bandpass, robust": bandpass,
    }
    best: dict[str, float] = {}
    peak: dict[str, int] = {}

    def keep(name: str, seconds: float, most: int = 0) -> None:
        best[name] = min(best.get(name, np.inf), seconds)
        peak[name] = max(peak.get(name, 0), most)

    solve(env, ms, "--prefix", "t", *bandpass)
    for _ in range(runs):
        level(ms, with_corrected=True)
        for name, options in stage.items():
            command = [str(env.contimg), "solve", str(ms), "--prefix", "t", "--overwrite", "--json", *options]
            keep(name, *timed(command)[:2])
        tables = f"{base / 't_bpcal'},{base / 't_2gcal'}"
        for name, with_corrected in (("apply", False), ("apply again", True)):
            level(ms, with_corrected=with_corrected)
            seconds, most, said = timed([str(env.contimg), "apply", str(ms), "--tables", tables, "--json"])
            # CASA does not wait for the disk, and the plain copy does not either.
            sync = json.loads(said)["counts"]["sync_s"]
            keep(name, seconds - sync, most)
            keep("sync", sync)
        os.sync()
        keep("plain", plain_copy(ms))
    common = {"vis": str(ms), "refant": "107", "minsnr": 3.0}
    theirs = {name: str(base / f"casa_{name}") for name in ("b", "g")}
    for path in theirs.values():
        shutil.rmtree(path, ignore_errors=True)
    correct = ("applycal", {"vis": str(ms), "gaintable": [theirs["b"], theirs["g"]], "interp": ["nearest", "linear"],
                            "calwt": True, "flagbackup": False})  # fmt: skip
    casa: dict[str, float] = {}
    steps = [
        ("bandpass", True, ("bandpass", {**common, "caltable": theirs["b"], "solint": "inf", "combine": "scan,field", "solnorm": True})),
        ("gains", True, ("gaincal", {**common, "caltable": theirs["g"], "solint": "60s", "combine": "scan,field", "calmode": "p",
                                     "gaintable": [theirs["b"]]})),
        ("apply", False, correct),
        ("apply again", True, correct),
    ]  # fmt: skip
    casa_peak = 0
    for name, with_corrected, step in steps:
        level(ms, with_corrected=with_corrected)
        done = casa_tasks(scratch, [step])
        casa[name], casa_peak = done["seconds"][0], max(casa_peak, done["peak"])
    for name, seconds in casa.items():
        robust = f"{name}, robust"
        also = f" (robust {best[robust]:.2f} s, {peak[robust] / 2**20:.0f} MiB: {seconds / best[robust]:.1f} ×)" if robust in best else ""
        print(f"  {name:<12} ours {best[name]:6.2f} s, {peak[name] / 2**20:4.0f} MiB; CASA {seconds:6.2f} s, "
              f"{seconds / best[name]:.1f} ×{also}", file=sys.stderr)  # fmt: skip
    print(f"  reading DATA and writing the same bytes: {best['plain']:.2f} s; its sync {best['sync']:.2f} s; "
          f"CASA's peak {casa_peak / 2**20:.0f} MiB", file=sys.stderr)  # fmt: skip
    # Applying again is shown and not judged: CASA overwrites the column, ours writes a new one beside it, so that a crash
    # leaves the old one.
    limits = {"bandpass": 10, "gains": 10, "apply": 5}
    peaks = [Line(f"{name}: peak memory", max(peak[name], peak.get(f"{name}, robust", 0)) / 2**20, 256, "MiB") for name in limits]
    if kept is None and antennas < 96:
        print("  times of so few antennas are not judged: starting a process is most of them", file=sys.stderr)
        return peaks
    lines = [Line(f"{name}: times faster than CASA", casa[name] / best[name], limit, "", at_least=True) for name, limit in limits.items()]
    lines += peaks
    lines.append(Line("apply: speed of reading DATA and writing the same bytes", 100 * best["plain"] / best["apply"], 50, "%", at_least=True))
    return lines


def plain_copy(ms: Path) -> float:
    """Reads the file of DATA and writes as many bytes to a plain file."""
    with table(str(ms), ack=False) as t:
        number = next(n["SEQNR"] for n in t.getdminfo().values() if "DATA" in n["COLUMNS"])
    source = next(p for p in (ms / f"table.f{number}_TSM1", ms / f"table.f{number}_TSM0") if p.exists() and p.stat().st_size)
    target = ms.parent / "plain.bin"
    buffer = memoryview(bytearray(8 << 20))
    start = time.monotonic()
    with source.open("rb", buffering=0) as a, target.open("wb", buffering=0) as b:
        while count := a.readinto(buffer):
            b.write(buffer[:count])
    seconds = time.monotonic() - start
    target.unlink()
    return seconds


# Images.


def check_image(env: Env, folder: Path, antennas: int) -> list[Line]:
    """A corrupted sky group, calibrated on its own sky, imaged by WSClean."""
    import image
    from rows import field_centres

    files = env.make_group(
        folder / "in", "--size", "full", "--channels", "8", "--antennas", str(antennas), "--content", "sky", "--gains",
        # Near the centre: further out differential aberration (10⁻⁴ of the distance), which the sky has and an image's
        # formula has not, is more than the noise. It is not what calibration is for.
        "--sources", "6", "--radius", "0.15", "--drift", "0.05", "--bandpass", "0.1", "--snr-db", "10", "--dead", "5", "--flags", "0.03",
    )  # fmt: skip
    truth = json.loads((folder / "in" / "truth.json").read_text())
    wanted = image.sources(folder / "in" / "truth.json")
    ms, _ = env.convert(files, folder / "ms", "--centres", "mid")
    centre = field_centres(ms)[0]
    predict(ms, wanted, centre)
    base = ms.parent
    solve(env, ms, "--prefix", "cal", "--short", "int", "--short-mode", "ap")
    apply(env, ms, [base / f"cal_{name}" for name in ("bpcal", "gpcal", "2gcal")])
    size = image._image_size(centre, wanted)
    run(["wsclean", *image.WSCLEAN, "-data-column", "CORRECTED_DATA", "-size", str(size), str(size), "-name", str(folder / "sky"), str(ms)])
    found = image.measure(next(p for p in (folder / "sky-MFS-image.fits", folder / "sky-image.fits") if p.exists()), wanted)
    # What the sky leaves, with natural weights; and the receivers' noise alone, with the same weights and flags.
    with table(str(ms), readonly=False, ack=False) as t:
        t.putcol("CORRECTED_DATA", t.getcol("CORRECTED_DATA") - t.getcol("MODEL_DATA"))
    left = natural_noise(ms, folder / "left", 1600)
    with table(str(ms), readonly=False, ack=False) as t:
        # WEIGHT over that of SIGMA is the squared gains, by which correcting divided the noise's power.
        grown = (t.getcol("WEIGHT") * t.getcol("SIGMA") ** 2)[:, None, :]
        values, random = t.getcol("CORRECTED_DATA"), np.random.default_rng(6)
        parts = random.standard_normal((2, *values.shape), dtype=np.float32)
        t.putcol("CORRECTED_DATA", ((parts[0] + 1j * parts[1]) * truth["noise_jy"] / np.sqrt(grown)).astype(np.complex64))
    thermal = natural_noise(ms, folder / "thermal", 1600)
    print(f"  noise {1e3 * left:.3f} mJy, thermal {1e3 * thermal:.3f} mJy", file=sys.stderr)
    return [
        Line("image: sources, greatest offset", max(m.offset_beams for m in found), 0.2, "beam"),
        Line("image: sources, greatest error of flux", 100 * max(abs(m.flux_ratio - 1) for m in found), 5, "%"),
        Line("image: noise over the thermal one, natural weights, off by", 100 * abs(left / thermal - 1), 10, "%"),
    ]


def natural_noise(ms: Path, name: Path, size: int) -> float:
    """Standard deviation of the dirty image of CORRECTED_DATA with natural weights, where there are no sources: outside of
    0.35° from the middle."""
    import image
    from astropy.io import fits

    run(["wsclean", "-j", "2", "-use-wgridder", "-scale", f"{image.CELL_ARCSEC}asec", "-weight", "natural", "-pol", "I", "-niter", "0",
         "-no-update-model-required", "-data-column", "CORRECTED_DATA", "-size", str(size), str(size), "-name", str(name), str(ms)])  # fmt: skip
    pixels = np.squeeze(fits.getdata(next(p for p in name.parent.glob(f"{name.name}*-image.fits"))))
    y, x = np.mgrid[: size, : size] - size // 2
    return float(np.std(pixels[np.hypot(x, y) * image.CELL_ARCSEC > 0.35 * 3600]))


def predict(ms: Path, sources: list, centre: np.ndarray) -> None:
    """MODEL_DATA by the plain formula."""
    ra0, dec0 = centre
    hz = table(str(ms / "SPECTRAL_WINDOW"), ack=False).getcell("CHAN_FREQ", 0)
    fill_model(ms, 0.0)
    with table(str(ms), readonly=False, ack=False) as t:
        for start in range(0, t.nrows(), 5000):
            count = min(5000, t.nrows() - start)
            uvw = t.getcol("UVW", start, count)
            total = np.zeros((count, len(hz)), complex)
            for s in sources:
                ra, dec = np.deg2rad(s.ra_deg), np.deg2rad(s.dec_deg)
                l = np.cos(dec) * np.sin(ra - ra0)
                m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
                n1 = np.sqrt(1 - l * l - m * m) - 1
                delay = uvw @ np.array([l, m, n1]) / 299792458.0
                total += s.flux_jy * np.exp(2j * np.pi * delay[:, None] * hz)
            model = t.getcol("MODEL_DATA", start, count)
            model[...] = total[:, :, None]
            t.putcol("MODEL_DATA", model, start, count)


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask compare --gains", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--only", default=",".join(ALL), help=f"some of {', '.join(ALL)}")
    parser.add_argument("--antennas", type=int, default=48, help="of the sets; the instrument has 96, and speed is judged from there on")
    parser.add_argument("--runs", type=int, default=2, help="of speed; the best counts")
    parser.add_argument("--speed-set", type=Path, metavar="MS", help="time this set, which has MODEL_DATA, instead of making one")
    parser.add_argument("--keep", action="store_true", help="leave the sets in target/compare-scratch/gains")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    env = Env.from_environ()
    folder = env.scratch / "gains"
    shutil.rmtree(folder, ignore_errors=True)
    checks = {
        "truth": lambda at: check_truth(env, at, arguments.antennas),
        "casa": lambda at: check_casa(env, at, min(arguments.antennas, 48)),
        "vla": lambda at: check_vla(env, at),
        "delay": lambda at: check_delay(env, at, min(arguments.antennas, 48)),
        "read": lambda at: check_read(env, at),
        "speed": lambda at: check_speed(env, at, arguments.antennas, arguments.runs, arguments.speed_set),
        "image": lambda at: check_image(env, at, arguments.antennas),
    }
    wanted = arguments.only.split(",")
    if unknown := [name for name in wanted if name not in checks]:
        print(f"error: --only {unknown[0]}: there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    lines: list[Line] = []
    for name in wanted:
        at = folder / name
        at.mkdir(parents=True)
        print(f"{name} …", file=sys.stderr)
        try:
            done = checks[name](at)
        except Failed as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        finally:
            if not arguments.keep:
                shutil.rmtree(at, ignore_errors=True)
        if not arguments.json:
            print("\n".join(map(str, done)), flush=True)
        lines += done
    passed = all(line.passed for line in lines)
    if arguments.json:
        print(json.dumps({"passed": passed, "lines": [line.__dict__ | {"passed": line.passed} for line in lines]}, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--casa"]:
        sys.exit(_casa_main(sys.argv[2]))
    sys.exit(main())
