"""Flag counts: `contimg flags` against CASA and against numpy over python-casacore, to the last count.

CASA's `flagdata(mode='summary')` counts FLAG alone; numpy counts FLAG, and FLAG or FLAG_ROW, by everything. The sets are those
that contimg makes of fixtures, with flags at random and with an antenna that python-casacore flags in place, and every
Measurement Set beside the workspace. With `--speed`, the three are timed on a full-size set in one run.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from casa import configured
from env import Env, Failed, run

# How many times faster than CASA and than numpy, whichever is faster.
FASTER = 50.0

# By what: {what: {which: [total, flag, flag or row]}}, with cross- and autocorrelations apart.
Counts = dict[str, dict[str, dict[str, list[int]]]]

STOKES = {1: "I", 2: "Q", 3: "U", 4: "V", 5: "RR", 6: "RL", 7: "LR", 8: "LL", 9: "XX", 10: "XY", 11: "YX", 12: "YY"}


def ours(env: Env, ms: Path, *options: str) -> Counts:
    """What `contimg flags` says; exit code 5 is a verdict, not a failure."""
    command = [str(env.contimg), "flags", str(ms), "--json", "--no-cache", "--time-bins", "4096", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):
        raise Failed(command, done.returncode, done.stderr)
    counts = json.loads(done.stdout)["counts"]
    out: Counts = {"total": {"": counts["total"]}}
    for name, one, key in (
        ("antenna", "antennas", "antenna"), ("correlation", "correlations", "name"), ("spw", "windows", "window"),
        ("field", "fields", "field"), ("scan", "scans", "scan"), ("time", "times", "first_s"),
    ):  # fmt: skip
        out[name] = {str(entry[key]): entry for entry in counts[one]}
    out["channel"] = {f"{w['window']}:{i}": c for w in counts["windows"] for i, c in enumerate(w["channels"])}
    out["baseline"] = {
        f"{b['antenna1']}&{b['antenna2']}": {"auto" if b["antenna1"] == b["antenna2"] else "cross": b}
        for b in counts["baselines"]
    }
    empty = {"total": 0, "flag": 0, "flag_or_row": 0}
    plain = lambda entry: {k: [entry.get(k, empty)[n] for n in empty] for k in ("cross", "auto")}  # noqa: E731
    full = {what: {key: plain(entry) for key, entry in entries.items()} for what, entries in out.items()}
    return {what: {key: e for key, e in entries.items() if any(map(any, e.values()))} for what, entries in full.items()}


def plain(ms: Path) -> Counts:
    """The same by numpy. FLAG is read by cell where its cells differ, which `getcol` cannot read."""
    from casacore.tables import table

    counts: Counts = defaultdict(lambda: defaultdict(lambda: {"cross": [0, 0, 0], "auto": [0, 0, 0]}))
    with table(str(ms), ack=False) as main, table(str(ms / "DATA_DESCRIPTION"), ack=False) as dd:
        with table(str(ms / "POLARIZATION"), ack=False) as pol:
            types = [pol.getcell("CORR_TYPE", i) for i in range(pol.nrows())]
        windows, pols = dd.getcol("SPECTRAL_WINDOW_ID"), dd.getcol("POLARIZATION_ID")
        column = {name: main.getcol(name) for name in
                  ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME", "FLAG_ROW")}  # fmt: skip
        defined = [row for row in range(main.nrows()) if main.iscelldefined("FLAG", row)]
        cells = {row: main.getcell("FLAG", row) for row in defined} if len(defined) < 300_000 else None
        shapes = defaultdict(list)
        for row in defined:
            shapes[column["DATA_DESC_ID"][row], cells[row].shape if cells else ()].append(row)
        for (ddid, _), rows in shapes.items():
            flags = np.stack([cells[row] for row in rows]) if cells else main.getcol("FLAG")[rows]
            rows = np.asarray(rows)
            either = flags | column["FLAG_ROW"][rows][:, None, None]
            first, second = column["ANTENNA1"][rows], column["ANTENNA2"][rows]
            codes = [STOKES[c] for c in types[pols[ddid]]]
            for kind, chosen in (("cross", first != second), ("auto", first == second)):
                f, e = flags[chosen], either[chosen]
                size = f.shape[1] * f.shape[2]

                def put(what: str, key: object, total: int, flag: int, both: int) -> None:
                    entry = counts[what][str(key)][kind]  # noqa: B023
                    for i, n in enumerate((total, flag, both)):
                        entry[i] += int(n)

                by_row, both_by_row = f.sum((1, 2)), e.sum((1, 2))
                put("total", "", f.size, by_row.sum(), both_by_row.sum())
                put("spw", windows[ddid], f.size, by_row.sum(), both_by_row.sum())
                for c in range(f.shape[1]):
                    put("channel", f"{windows[ddid]}:{c}", f[:, c].size, f[:, c].sum(), e[:, c].sum())
                for p in range(f.shape[2]):
                    put("correlation", codes[p], f[:, :, p].size, f[:, :, p].sum(), e[:, :, p].sum())
                a1, a2 = first[chosen], second[chosen]
                by: list[tuple[str, list]] = [
                    ("antenna", list(a1)), ("baseline", [f"{a}&{b}" for a, b in zip(a1, a2, strict=True)]),
                    ("field", list(column["FIELD_ID"][rows][chosen])), ("scan", list(column["SCAN_NUMBER"][rows][chosen])),
                    ("time", list(column["TIME"][rows][chosen])),
                ]  # fmt: skip
                if kind == "cross":
                    by.append(("antenna", list(a2)))
                for what, keys in by:
                    for key, flag, both in zip(keys, by_row, both_by_row, strict=True):
                        put(what, key, size, flag, both)
    return {what: {k: e for k, e in entries.items() if any(map(any, e.values()))} for what, entries in counts.items()}


def casa(ms: Path, scratch: Path) -> tuple[dict | None, float]:
    """CASA's summary, from a process of its own, and the seconds that the task took. None where CASA refuses the set."""
    environ = configured(scratch)
    try:
        done = run([sys.executable, str(Path(__file__).resolve()), "--casa", str(ms.resolve())], cwd=scratch, env=environ)
    except Failed as refused:
        print(f"      CASA refuses {ms.name}: {refused.words.splitlines()[-1]}")
        return None, float("nan")
    found = json.loads(done.splitlines()[-1])
    return found["summary"], found["seconds"]


def _summary(ms: str) -> None:
    from casatasks import casalog, flagdata

    casalog.showconsole(False)
    start = time.perf_counter()
    summary = flagdata(vis=ms, mode="summary", spwchan=True, basecnt=True, flagbackup=False)
    seconds = time.perf_counter() - start
    print(json.dumps({"summary": summary, "seconds": seconds}, default=float))


def differences(ms: Path, mine: Counts, numpy: Counts, summary: dict | None) -> list[str]:
    """What is not equal, one line each."""
    found = []
    for what in sorted(mine | numpy):
        a, b = mine.get(what, {}), numpy.get(what, {})
        if what == "time":
            a, b = ({str(float(k)): v for k, v in d.items()} for d in (a, b))
        found += [f"numpy {what} {k}: ours {a.get(k)}, numpy {b.get(k)}" for k in sorted(a | b) if a.get(k) != b.get(k)]
    if summary is None:
        return found
    from casacore.tables import table

    with table(str(ms / "ANTENNA"), ack=False) as t:
        antennas = t.getcol("NAME")
    with table(str(ms / "FIELD"), ack=False) as t:
        fields = t.getcol("NAME")
    # CASA names antennas and fields; those of one name are one to it.
    names: dict[str, Callable[[str], str]] = {
        "antenna": lambda k: antennas[int(k)],
        "field": lambda k: fields[int(k)],
        "baseline": lambda k: "&&".join(antennas[int(i)] for i in k.split("&")),
    }
    keys = {"antenna": "antenna", "correlation": "correlation", "spw": "spw", "field": "field", "scan": "scan",
            "baseline": "baseline", "channel": "spw:channel"}  # fmt: skip
    total = [int(summary["total"]), int(summary["flagged"])]
    expected = [sum(e[i] for e in mine["total"].get("", {}).values()) for i in (0, 1)]
    if total != expected:
        found.append(f"CASA total: ours {expected}, CASA {total}")
    for what, key in keys.items():
        named: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for k, entry in mine[what].items():
            for e in entry.values():
                for i in (0, 1):
                    named[names.get(what, str)(k)][i] += e[i]
        theirs = {k: [int(v["total"]), int(v["flagged"])] for k, v in summary.get(key, {}).items()}
        theirs = {k: v for k, v in theirs.items() if any(v)}
        found += [f"CASA {what} {k}: ours {named.get(k)}, CASA {theirs.get(k)}"
                  for k in sorted(named | theirs) if named.get(k) != theirs.get(k)]  # fmt: skip
    return found


def flag_in_place(ms: Path, antenna: int) -> None:
    """python-casacore flags one antenna, FLAG in all of its rows and FLAG_ROW in every second one."""
    from casacore.tables import table

    with table(str(ms), readonly=False, ack=False) as main:
        first, second = main.getcol("ANTENNA1"), main.getcol("ANTENNA2")
        rows = np.flatnonzero((first == antenna) | (second == antenna))
        for i, row in enumerate(rows):
            main.putcell("FLAG", int(row), np.ones_like(main.getcell("FLAG", int(row))))
            if i % 2:
                main.putcell("FLAG_ROW", int(row), True)
        # And some rows by FLAG_ROW alone.
        for row in range(0, main.nrows(), 17):
            main.putcell("FLAG_ROW", row, True)


def cases(env: Env) -> list[tuple[str, Path]]:
    """Every set, made or unpacked under the scratch folder."""
    found = []
    for name, fixture, convert in (
        ("whole", ("--flags", "0.2"), ()),
        ("subband windows", ("--flags", "0.6"), ("--windows", "subband")),
        ("four correlations", ("--pols", "4", "--flags", "0.05"), ()),
        ("wide", ("--channels", "48", "--antennas", "7", "--flags", "0.3"), ("--windows", "subband")),
    ):
        folder = env.scratch / "flags" / name.replace(" ", "-")
        files = env.make_group(folder / "in", *fixture)
        ms, _ = env.convert(files, folder / "out", *convert)
        flag_in_place(ms, 2)
        found.append((name, ms))
    if env.real_data is None:
        print("skipped: real data, absent")
        return found
    for archive in sorted(env.real_data.rglob("*.ms.tar.gz")):
        folder = env.scratch / "flags" / archive.name.removesuffix(".tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        found += [(table.parent.name, table.parent) for table in sorted(folder.rglob("ANTENNA")) if table.is_dir()]
    for table in sorted(env.real_data.rglob("*.ms/ANTENNA")):
        copy = env.scratch / "flags" / table.parent.name
        if not copy.exists():
            shutil.copytree(table.parent, copy, copy_function=shutil.copy)
            for path in (copy, *copy.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
        found.append((copy.name, copy))
    return found


def equal(env: Env) -> bool:
    """Compares every set; prints one line each and the first differences."""
    passed = True
    for name, ms in cases(env):
        fast, slow = ours(env, ms), ours(env, ms, "--through-casacore")
        numpy, (summary, _) = plain(ms), casa(ms, env.scratch / "casa")
        found = ["both ways differ"] * (fast != slow) + differences(ms, fast, numpy, summary)
        total = [sum(e[i] for e in fast["total"].get("", {}).values()) for i in range(3)]
        print(f"{'ok ' if not found else 'BAD'} {name}: {total[0]} flags, FLAG {total[1]}, FLAG or FLAG_ROW {total[2]}")
        for line in found[:8]:
            print(f"      {line}")
        passed &= not found
    return passed


def breakdowns(ms: Path) -> dict[str, np.ndarray]:
    """What `contimg flags` counts, by numpy over `getcol`, as one who wants all of it would write it: FLAG, and FLAG or FLAG_ROW,
    by antenna, baseline, window and channel, correlation, field, scan and time, auto- and cross-correlations apart."""
    from casacore.tables import table

    with table(str(ms), ack=False) as main, table(str(ms / "DATA_DESCRIPTION"), ack=False) as dd:
        flags, row_flags = main.getcol("FLAG"), main.getcol("FLAG_ROW")
        first, second = main.getcol("ANTENNA1"), main.getcol("ANTENNA2")
        field, scan, time_s = main.getcol("FIELD_ID"), main.getcol("SCAN_NUMBER"), main.getcol("TIME")
        window = dd.getcol("SPECTRAL_WINDOW_ID")[main.getcol("DATA_DESC_ID")]
    auto = (first == second).astype(int)
    found = {}
    per_row = flags.sum((1, 2), dtype=np.int64)
    size = flags.shape[1] * flags.shape[2]
    times = np.unique(time_s, return_inverse=True)[1]
    for name, rows in (("flag", per_row), ("flag or row", np.where(row_flags, size, per_row))):
        by = {"antenna1": first, "antenna2": second, "baseline": first * 4096 + second, "window": window, "field": field,
              "scan": scan, "time": times}  # fmt: skip
        for what, keys in by.items():
            found[f"{name} {what}"] = np.bincount(2 * keys + auto, weights=rows)
        for kind in (0, 1):
            for one in np.unique(window):
                chosen = (window == one) & (auto == kind)
                cells = flags[chosen] if name == "flag" else flags[chosen] | row_flags[chosen][:, None, None]
                found[f"{name} cells {one} {kind}"] = cells.sum(0)
    return found


def speed(env: Env, repeats: int) -> bool:
    """Times them on a set of the original's shape, 1.8 million rows of 48 × 2."""
    from casacore.tables import table

    folder = env.scratch / "flags" / "full"
    files = env.make_group(folder / "in", "--size", "full", "--flags", "0.05")
    ms, _ = env.convert(files, folder / "out", "--windows", "subband")
    shutil.rmtree(folder / "in")
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        start = time.perf_counter()
        with table(str(ms), ack=False) as main:
            flags = main.getcol("FLAG")
            by_channel = flags.sum((0, 2))
        seconds["numpy, by channel alone"].append(time.perf_counter() - start)
        start = time.perf_counter()
        whole = breakdowns(ms)
        seconds["numpy"].append(time.perf_counter() - start)
        if int(whole["flag window"].sum()) != int(by_channel.sum()):
            raise RuntimeError("numpy's counts differ")
        del whole
        seconds["casa"].append(casa(ms, env.scratch / "casa")[1])
        total = int(by_channel.sum())
        del flags
        start = time.perf_counter()
        counted = ours(env, ms)
        seconds["command"].append(time.perf_counter() - start)
        if sum(e[1] for e in counted["total"][""].values()) != total:
            raise RuntimeError("the counts differ")
        # crates/flag-stats/examples/flag_cost.rs, where it was built: the library without the start of a process.
        if cost := os.environ.get("CONTIMG_COMPARE_FLAG_COST"):
            timed = json.loads(run([cost, str(ms)]))
            for name in ("cold", "flags", "cached", "bits", "peak_bytes"):
                seconds[name].append(timed[name])
    shutil.rmtree(folder)
    best = {name: statistics.median(values) for name, values in seconds.items()}
    print({name: round(value, 6) for name, value in best.items()})
    ours_s = best.get("flags", best["command"])
    for name in ("casa", "numpy", "numpy, by channel alone"):
        cold = f", {best[name] / best['cold']:.0f} when the rows are read too" if "cold" in best else ""
        print(f"      {name}: {best[name] / ours_s:.0f} times slower{cold}")
    return min(best["numpy"], best["casa"]) / ours_s >= FASTER


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--casa", metavar="MS", help=argparse.SUPPRESS)
    parser.add_argument("--speed", action="store_true", help="time the three on a full-size set too")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.casa:
        _summary(args.casa)
        return 0
    env = Env.from_environ()
    shutil.rmtree(env.scratch / "flags", ignore_errors=True)
    try:
        passed = equal(env)
        if args.speed:
            passed &= speed(env, args.repeats)
    finally:
        shutil.rmtree(env.scratch / "flags", ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
