"""Interference with a known truth: what `contimg flag` finds of it, what it flags of clean samples, and what it restores.

Groups of a sky, noise and interference of every kind (fixtures `--rfi`) are converted and flagged; the truth is in
`truth.json`. Printed beside ours: AOFlagger's default strategy, run by `contimg flag --preset aoflagger`. Then every real
Measurement Set beside the workspace is flagged and restored: python-casacore must read the old flags to the bit, CASA must
count the new ones as `contimg` does, and DATA must be untouched.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import flags
from env import Env, Failed, run

FOUND = 0.95
CLEAN = 0.02


def flag(env: Env, ms: Path, *options: str) -> dict:
    return json.loads(run([str(env.contimg), "flag", str(ms), "--json", "--quiet", *options]))


def column(ms: Path, name: str) -> list | np.ndarray:
    """A column's values; a list of cells where they differ in shape."""
    from casacore.tables import table

    with table(str(ms), ack=False) as main:
        try:
            return main.getcol(name)
        except RuntimeError:
            return [main.getcell(name, i) if main.iscelldefined(name, i) else None for i in range(main.nrows())]


def digest(values: list | np.ndarray) -> str:
    hashed = hashlib.sha256()
    for value in values if isinstance(values, list) else [values]:
        hashed.update(b"none" if value is None else np.ascontiguousarray(value).tobytes())
    return hashed.hexdigest()


def truth_masks(ms: Path, truth: dict) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """By kind which samples [row, channel] have interference, and which rows count: two antennas that work."""
    from casacore.tables import table

    with table(str(ms), ack=False) as main:
        first, second, time, ddid = (main.getcol(n) for n in ("ANTENNA1", "ANTENNA2", "TIME", "DATA_DESC_ID"))
    with table(str(ms / "ANTENNA"), ack=False) as antennas:
        names = antennas.getcol("NAME")
    with table(str(ms / "SPECTRAL_WINDOW"), ack=False) as windows:
        freq = [windows.getcell("CHAN_FREQ", i) for i in range(windows.nrows())]
    with table(str(ms / "DATA_DESCRIPTION"), ack=False) as descriptions:
        window = descriptions.getcol("SPECTRAL_WINDOW_ID")[ddid]
    times = (np.asarray(truth["time_jd"]) - 2_400_000.5) * 86400.0
    number = np.abs(time[:, None] - times[None, :]).argmin(1)
    dead = [i for i, name in enumerate(names) if plain(name) in map(plain, truth["dead_antennas"])]
    judged = (first != second) & ~np.isin(first, dead) & ~np.isin(second, dead)
    masks: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((len(first), len(freq[0])), bool))
    for patch in truth["interference"]:
        mask = masks[patch["kind"]]
        rows = (number >= patch["times"][0]) & (number <= patch["times"][1])
        if patch["antenna"] is not None:
            antenna = [i for i, name in enumerate(names) if plain(name) == plain(patch["antenna"])]
            rows &= np.isin(first, antenna) | np.isin(second, antenna)
        low, high = min(patch["freq_hz"]) - 1.0, max(patch["freq_hz"]) + 1.0
        for w in range(len(freq)):
            channels = (freq[w] >= low) & (freq[w] <= high)
            mask[np.ix_(rows & (window == w), channels)] = True
    return masks, judged


def plain(name: str) -> str:
    """An antenna's number, however it is written."""
    return "".join(c for c in name if c.isdigit()).lstrip("0")


def score(ms: Path, truth: dict) -> tuple[float, float, dict[str, float]]:
    """The fractions of contaminated and of clean samples that are flagged, and the first by kind."""
    masks, judged = truth_masks(ms, truth)
    flagged = column(ms, "FLAG")[judged]
    any_kind = np.zeros(flagged.shape[:2], bool)
    by_kind = {}
    for kind, mask in masks.items():
        by_kind[kind] = float(flagged[mask[judged]].mean())
        any_kind |= mask[judged]
    clean = flagged[~any_kind]
    found = float(flagged[any_kind].mean()) if any_kind.any() else 1.0
    return found, float(clean.mean()), by_kind


def synthetic(env: Env, size: str) -> bool:
    antennas, channels = {"small": ("24", "48"), "full": ("96", "48")}[size]
    passed = True
    for name, fixture, convert in (
        ("all kinds, whole band", ("--rfi", "all", "--noise", "2"), ()),
        ("all kinds, sixteen windows", ("--rfi", "all", "--noise", "2", "--seed", "11"), ("--windows", "subband")),
        ("all kinds, gains and bandpasses", ("--rfi", "all", "--noise", "2", "--gains", "--drift", "0.05",
                                             "--bandpass", "0.1", "--dead", "2", "--seed", "12"), ()),
        ("narrow", ("--rfi", "narrow", "--noise", "2", "--seed", "13"), ("--windows", "subband")),
        ("broad", ("--rfi", "broad", "--noise", "2", "--seed", "14"), ()),
        ("bursts", ("--rfi", "burst", "--noise", "2", "--seed", "15"), ()),
        ("one bright source", ("--rfi", "all", "--noise", "2", "--sources", "1", "--seed", "16"), ()),
        ("no interference", ("--noise", "2", "--seed", "17"), ()),
        ("no interference, high signal to noise", ("--noise", "0.1", "--seed", "18"), ()),
    ):  # fmt: skip
        folder = env.scratch / "rfi" / "made"
        shutil.rmtree(folder, ignore_errors=True)
        size_options = ("--antennas", antennas, "--channels", channels, "--times", "24", "--content", "sky")
        files = env.make_group(folder / "in", *size_options, *fixture)
        ms, _ = env.convert(files, folder / "out", *convert)
        truth = json.loads((folder / "in" / "truth.json").read_text())
        shutil.copy(folder / "in" / "truth.json", env.scratch / "rfi" / "truth.json")
        for file in files:
            file.unlink()
        before = {n: digest(column(ms, n)) for n in ("DATA", "FLAG", "FLAG_ROW")}
        said = flag(env, ms)
        found, clean, by_kind = score(ms, truth)
        good = found >= FOUND and clean <= CLEAN
        kinds = ", ".join(f"{k} {100 * f:.1f}" for k, f in by_kind.items())
        print(f"{'ok ' if good else 'BAD'} {name}: found {100 * found:.2f} % (bar ≥ 95), clean samples flagged "
              f"{100 * clean:.3f} % (bar ≤ 2){'; by kind: ' + kinds if kinds else ''}")  # fmt: skip
        flag(env, ms, "--restore", said["saved_version"])
        after = {n: digest(column(ms, n)) for n in before}
        if after != before:
            good = False
            print(f"BAD {name}: not restored to the bit: {[n for n in before if before[n] != after[n]]}")
        if shutil.which("aoflagger"):
            flag(env, ms, "--preset", "aoflagger")
            theirs, their_clean, _ = score(ms, truth)
            print(f"      AOFlagger's default strategy: found {100 * theirs:.2f} %, clean {100 * their_clean:.3f} %")
            if digest(column(ms, "DATA")) != before["DATA"]:
                good = False
                print(f"BAD {name}: DATA changed under AOFlagger")
        passed &= good
    return passed


def real(env: Env) -> bool:
    """Every real set: flagged, counted by CASA, restored."""
    passed = True
    shutil.rmtree(env.scratch / "flags", ignore_errors=True)
    for name, ms in flags.cases(env):
        before = {n: digest(column(ms, n)) for n in ("FLAG", "FLAG_ROW", "DATA") if has(ms, n)}
        if "DATA" not in before:
            print(f"skipped: {name}: no DATA")
            continue
        try:
            said = flag(env, ms)
        except Failed as error:
            print(f"BAD {name}: {error}")
            passed = False
            continue
        summary, _ = flags.casa(ms, env.scratch / "casa")
        problems = []
        counted = "counted by CASA" if summary else "CASA refuses it"
        if summary and (int(summary["flagged"]), int(summary["total"])) != (said["after"]["flag"], said["flags"]):
            problems.append(f"CASA counts {summary['flagged']} of {summary['total']}, contimg {said['after']['flag']}")
        if digest(column(ms, "DATA")) != before["DATA"]:
            problems.append("DATA changed")
        flag(env, ms, "--restore", said["saved_version"])
        after = {n: digest(column(ms, n)) for n in before}
        problems += [f"{n} is not restored" for n in before if before[n] != after[n]]
        new = 100 * (said["after"]["flag"] - said["before"]["flag"]) / max(said["flags"], 1)
        print(f"{'BAD' if problems else 'ok '} {name}: {new:.2f} % newly flagged, {counted}, restored")
        for problem in problems:
            print(f"      {problem}")
        passed &= not problems
    shutil.rmtree(env.scratch / "flags", ignore_errors=True)
    return passed


def has(ms: Path, name: str) -> bool:
    from casacore.tables import table

    with table(str(ms), ack=False) as main:
        return name in main.colnames()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of the made groups")
    parser.add_argument("--made", action="store_true", help="only the made groups")
    parser.add_argument("--real", action="store_true", help="only the real sets")
    args = parser.parse_args()
    env = Env.from_environ()
    shutil.rmtree(env.scratch / "rfi", ignore_errors=True)
    (env.scratch / "rfi").mkdir(parents=True)
    passed = True
    try:
        if not args.real:
            passed &= synthetic(env, args.size)
        if not args.made:
            passed &= real(env)
    finally:
        shutil.rmtree(env.scratch / "rfi", ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
