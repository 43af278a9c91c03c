"""`cargo xtask compare --model`: predictions against CASA, DP3 and WSClean, and their cost.

Without options, what MODEL_DATA holds: sets that contimg makes of fixtures, and every Measurement Set beside the workspace,
predicted by `contimg model`, by CASA's `ft` from a component list, by DP3 and by `wsclean -predict`, value by value with sign
and orientation. `--again`: a second set costs less by the kept terms, and keeping them changes no bit. `--kernel`: one core
against numpy, numba and DP3. `--column`: a whole set against a plain file and the others. `--all` does everything.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import model_peers as peers
from env import Env, Failed, run
from model_kernel import kernel
from model_peers import Source

# The bars: of the peak, and radians where the model is at least half of its peak.
AMPLITUDE, PHASE = 0.003, 0.01
WSCLEAN_AMPLITUDE = 0.05


def ours(env: Env, ms: Path, *options: str) -> dict:
    return json.loads(run([str(env.contimg), "model", str(ms), "--json", "--quiet", *options]))


def column(ms: Path, name: str = "MODEL_DATA") -> list[np.ndarray]:
    """The cross-correlations of a column: one array a cell shape, rows in order."""
    from casacore.tables import table

    with table(str(ms), ack=False) as t:
        cross = np.flatnonzero(t.getcol("ANTENNA1") != t.getcol("ANTENNA2"))
        ddid = t.getcol("DATA_DESC_ID")
        # `getcol` garbles columns whose cells differ in shape.
        return [np.stack([t.getcell(name, int(r)) for r in cross[ddid[cross] == d]]).astype(np.complex128)
                for d in np.unique(ddid[cross])]  # fmt: skip


def verdict(name: str, a: list[np.ndarray], b: list[np.ndarray], limit: float = AMPLITUDE, phase_limit: float = PHASE) -> bool:
    """Prints and judges how far two predictions are apart."""
    if [x.shape for x in a] != [x.shape for x in b]:
        print(f"BAD {name}: shapes {[x.shape for x in a]} and {[x.shape for x in b]}")
        return False
    peak = max(float(np.abs(x).max()) for x in a)
    if peak == 0:
        # A set of cross-hands alone sees nothing of an unpolarised sky.
        good = all(not y.any() for y in b)
        print(f"ok  {name}: both are dark" if good else f"BAD {name}: ours is dark")
        return good
    apart = max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True)) / peak
    turns = []
    for x, y in zip(a, b, strict=True):
        strong = np.abs(x) > 0.5 * peak
        turns.append(float(np.abs(np.angle(x[strong] * y[strong].conj())).max(initial=0.0)))
    good = bool(apart <= limit and max(turns) <= phase_limit)
    print(f"{'ok ' if good else 'BAD'} {name}: {apart:.2e} of the peak (≤ {limit:g}), {max(turns):.2e} rad (≤ {phase_limit:g})")
    return good


def skies(centre_rad: np.ndarray, reach_deg: float) -> dict[str, list[Source]]:
    """Skies around a phase centre."""
    ra, dec = np.rad2deg(centre_rad)
    east, north = 0.7 * reach_deg / np.cos(np.deg2rad(dec)), -0.6 * reach_deg
    rng = np.random.default_rng(7)
    width = 3600 * reach_deg
    many = [
        Source(float(ra + x / np.cos(np.deg2rad(dec))), float(dec + y), float(f), float(i))
        for x, y, f, i in zip(*rng.uniform(-reach_deg, reach_deg, (2, 12)), rng.uniform(0.2, 3, 12), rng.uniform(-1, 1, 12), strict=True)
    ]
    return {
        "point": [Source(float(ra + east), float(dec + north), 2.5, -0.7)],
        # Resolved on the long baselines, still there on most.
        "Gaussian": [Source(float(ra - 0.5 * east), float(dec - north), 2.5, 0.0, (0.004 * width, 0.0016 * width, 35.0))],
        "many": many,
    }


def field_centre(ms: Path) -> np.ndarray:
    from casacore.tables import table

    with table(str(ms / "FIELD"), ack=False) as t:
        return t.getcell("PHASE_DIR", 0)[0]


def copied(ms: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(ms, to, copy_function=shutil.copy)
    for path in (to, *to.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return to


def one_set(env: Env, folder: Path, name: str, ms: Path, reach_deg: float, with_dp3: bool, must: bool) -> bool:
    """One set against CASA and DP3. Sets of others may be refused by them; `must`: not those of ours."""
    passed = True
    mine, theirs = copied(ms, folder / "mine.ms"), copied(ms, folder / "theirs.ms")
    if not column(ms, "DATA"):
        print(f"--  {name}: no cross-correlations")
        return True
    for sky, sources in skies(field_centre(ms), reach_deg).items():
        listed = peers.source_list(folder / "sky.txt", sources)
        try:
            ours(env, mine, "--sky", str(listed))
            predicted = column(mine)
        except Failed as failed:
            print(f"BAD {name}, {sky}: {failed}")
            return False

        def against(what: str, action: Callable[[], list[np.ndarray]], phase: float) -> bool:
            try:
                found = action()
            except (Failed, RuntimeError) as refused:
                words = str(refused).strip().splitlines()[-1]
                print(f"{'BAD' if must else '-- '} {name}, {sky}: {what} refuses the set: {words}")
                return not must
            return verdict(f"{name}, {sky}, against {what}", predicted, found, phase_limit=phase)

        def casa() -> list[np.ndarray]:
            components = peers.component_list(folder / "sky.cl", sources, env.scratch / "casa")
            peers.ft(theirs, components, env.scratch / "casa")
            found = column(theirs)
            # The same list through our reader of component lists.
            ours(env, mine, "--sky", str(components))
            return [*found, *column(mine)]

        def dp3() -> list[np.ndarray]:
            from casacore.tables import table

            with table(str(ms / "POLARIZATION"), ack=False) as t:
                types = [list(t.getcell("CORR_TYPE", i)) for i in range(t.nrows())]
            if any(kind != [9, 10, 11, 12] for kind in types):
                raise RuntimeError(f"it takes any correlations for XX, XY, YX, YY; these are {types}")
            out = folder / "dp3.ms"
            shutil.rmtree(out, ignore_errors=True)
            peers.dp3(ms, out, listed)
            return column(out, "DATA")

        # Phases of several sources together are those of small sums: the amplitude says all.
        phase = PHASE if len(sources) == 1 else np.inf
        predicted = [*predicted, *predicted]
        passed &= against("CASA's ft and its list", casa, phase)
        predicted = predicted[: len(predicted) // 2]
        if with_dp3:
            passed &= against("DP3", dp3, phase)
    shutil.rmtree(mine)
    shutil.rmtree(theirs)
    return passed


def wsclean(env: Env, folder: Path, ms: Path) -> bool:
    """One source exactly on a pixel, with WSClean's gridding error."""
    if shutil.which("wsclean") is None:
        print("skipped: WSClean is not installed")
        return True
    theirs, mine = copied(ms, folder / "wsclean.ms"), copied(ms, folder / "mine.ms")
    peers.add_imaging_columns(theirs)
    centre = np.rad2deg(field_centre(ms))
    prefix = folder / "wsclean"
    source = peers.wsclean_image(prefix, (float(centre[0]), float(centre[1])), (-420, 310), 2.5, 1.4e9, 3 / 3600, 2048)
    seconds = peers.wsclean_predict(theirs, prefix)
    # WSClean takes the image to be in the set's own frame, ICRS.
    ours(env, mine, "--source", f"{source.ra_deg!r},{source.dec_deg!r},{source.jy!r}")
    good = verdict("one field, a pixel, against WSClean", column(mine), column(theirs), WSCLEAN_AMPLITUDE, 0.1)
    print(f"    (wsclean took {seconds:.1f} s)")
    return good


def accuracy(env: Env, only: str) -> bool:
    folder = env.scratch / "model"
    passed = True
    made = (
        ("meridian centres", ("--centres", "meridian"), False),
        ("windows", ("--centres", "meridian", "--windows", "subband"), False),
        ("one field", ("--centres", "mid"), True),
    )
    for name, options, with_dp3 in made:
        if only not in name:
            continue
        # DP3 takes sets of four correlations only.
        size = ("--size", "tiny", "--antennas", "12", "--times", "6", "--channels", "48")
        files = env.make_group(folder / f"in-{with_dp3}", *size, "--pols", "4" if with_dp3 else "2")
        ms, _ = env.convert(files, folder / name.replace(" ", "-"), *options)
        passed &= one_set(env, folder, name, ms, 0.8, with_dp3, must=True)
        if with_dp3:
            passed &= wsclean(env, folder, ms)
    if env.real_data is None:
        print("skipped: real data, absent")
        return passed
    # Narrower beams, and longer or shorter baselines: reach in degrees.
    for archive in sorted(env.real_data.rglob("*.ms.tar.gz")):
        with tarfile.open(archive) as tar:
            tar.extractall(folder / archive.name.removesuffix(".tar.gz"), filter="data")
        for table in sorted((folder / archive.name.removesuffix(".tar.gz")).rglob("ANTENNA")):
            if only in table.parent.name and table.is_dir():
                reach = 0.01 if "VLA" in str(archive) or "ALMA" in str(archive) else 3.0
                passed &= one_set(env, folder, table.parent.name, table.parent, reach, True, must=False)
    return passed


def again(env: Env) -> bool:
    """A second set with the same frequencies and centres computes nothing but its rows; without cache every bit is the same."""
    folder = env.scratch / "model"
    files = env.make_group(folder / "in", "--size", "tiny", "--antennas", "12", "--times", "6", "--channels", "48")
    ms, _ = env.convert(files, folder / "set", "--centres", "meridian", "--windows", "subband")
    names = [copied(ms, folder / f"{n}.ms") for n in ("first", "second", "without", "cache")]
    listed = peers.source_list(folder / "sky.txt", skies(field_centre(ms), 0.8)["many"])
    options = ("--sky", str(listed), "--beam", "airy", "--json", "--quiet")
    two = lambda sets, *more: json.loads(run([str(env.contimg), "model", *map(str, sets), *options, *more]))["sets"]  # noqa: E731
    kept, anew = two(names[:2]), two(names[2:], "--no-cache")
    constant = ("directions", "fluxes", "beams")
    passed = True
    for label, sets in (("kept", kept), ("not kept", anew)):
        for which, one in zip(("first set", "second set"), sets, strict=True):
            print(f"    {label}, {which}: " + ", ".join(f"{k} {v}" for k, v in one["computed"].items()))
    first, second = (one["computed"] for one in kept)
    passed &= all(first[k] > 0 and second[k] == 0 for k in constant)
    passed &= first["delays"] == second["delays"] > 0 and second["misses"] == 0
    passed &= all(anew[1]["computed"][k] == anew[0]["computed"][k] > 0 for k in constant)

    def digest(ms: Path) -> set[str]:
        from casacore.tables import table

        with table(str(ms), ack=False) as t:
            manager = t.getdminfo("MODEL_DATA")["SEQNR"]
        return {hashlib.sha256(p.read_bytes()).hexdigest() for p in ms.glob(f"table.f{manager}_TSM*")}

    same = len({frozenset(digest(ms)) for ms in names}) == 1
    print(f"{'ok ' if same else 'BAD'} MODEL_DATA's files with and without kept terms: {'identical' if same else 'different'}")
    print(f"{'ok ' if passed else 'BAD'} the second set computed no direction, flux or beam value")
    return passed and same


def whole_column(env: Env, size: str, repeats: int, peers_wanted: set[str]) -> bool:
    """A calibrator's model in a set of the original's shape: one source, a field an integration, sixteen windows."""
    folder = env.scratch / "model"
    files = env.make_group(folder / "in", "--size", size)
    ms, _ = env.convert(files, folder / "set", "--windows", "subband", "--centres", "meridian")
    shutil.rmtree(folder / "in")
    centre = np.rad2deg(field_centre(ms))
    ra, dec, jy = float(centre[0]), float(centre[1] + 0.4), 2.5
    seconds: dict[str, list[float]] = {}
    # Of each: what forcing its bytes to the disk takes after it; ours forces them itself, and says how long.
    forced: dict[str, list[float]] = {}
    freed: list[float] = []
    peak = bytes_ = 0

    def timed(what: str, action: Callable[[], float | None]) -> None:
        os.sync()
        start = time.perf_counter()
        inner = action()
        took = time.perf_counter() - start if inner is None else inner
        start = time.perf_counter()
        os.sync()
        seconds.setdefault(what, []).append(took)
        forced.setdefault(what, []).append(time.perf_counter() - start)

    def model(what: str) -> None:
        nonlocal peak, bytes_
        os.sync()
        start = time.perf_counter()
        report = ours(env, ms, "--source", f"{ra!r},{dec!r},{jy!r}")
        one = report["sets"][0]
        seconds.setdefault(what, []).append(time.perf_counter() - start - one["sync_seconds"])
        forced.setdefault(what, []).append(one["sync_seconds"])
        if what == "replaced":
            freed.append(one["swap_seconds"])
        peak, bytes_ = max(peak, report["peak_memory"]), one["bytes"]

    def by_numpy() -> None:
        run([sys.executable, str(Path(peers.__file__)), "--vectorised", str(ms), repr(ra), repr(dec), repr(jy)])

    model("first")
    # Pages that a machine has not used for a while are slow to get, for whoever writes first. So each side writes where its
    # predecessor has just been deleted, by turns, and the best of each side met the fewest such pages.
    for turn in range(max(4, 2 * repeats)):
        for _ in range(2):
            (folder / "plain").unlink(missing_ok=True)
            timed("plain", lambda: plain_file(folder / "plain", bytes_))
        (folder / "plain").unlink()
        peers.without_column(ms)
        model("new")
        model("replaced")
        if "numpy" in peers_wanted and turn < min(repeats, 2):
            timed("numpy", by_numpy)
    if "ft" in peers_wanted:
        components = peers.component_list(folder / "sky.cl", [Source(ra, dec, jy)], env.scratch / "casa")
        timed("ft", lambda: peers.ft(ms, components, env.scratch / "casa"))
    if "wsclean" in peers_wanted and shutil.which("wsclean") is None:
        print("skipped: WSClean is not installed")
    elif "wsclean" in peers_wanted:
        prefix = folder / "wsclean"
        peers.wsclean_image(prefix, (float(centre[0]), float(centre[1])), (0, 300), jy, 1.4e9, 3 / 3600, 2048)
        peers.as_one_field(ms)
        timed("wsclean", lambda: peers.wsclean_predict(ms, prefix))
    print(f"    {bytes_ / 1e9:.2f} GB of MODEL_DATA; seconds:")
    for what, values in seconds.items():
        sync = f", then forced to the disk {statistics.median(forced[what]):.2f}"
        most = f", median {statistics.median(values):.2f}, most {max(values):.2f}" if len(values) > 1 else ""
        print(f"    {what:>8}: {min(values):.2f}{most}{sync}")
    print(f"    freeing the replaced column's blocks, within `replaced`: median {statistics.median(freed):.2f}")
    median = {what: statistics.median(values) for what, values in seconds.items()}
    print(f"    a new column against the plain file, median of each: {median['new'] / median['plain']:.2f}")
    written = min(s - f for s, f in zip(seconds["replaced"], freed, strict=True))
    warm = min(seconds["plain"])
    bars = [
        ("a new column against the plain file, best of each", min(seconds["new"]) / warm, "≤", 1.5),
        ("a replaced column, but for freeing the old one's blocks, against the plain file, best of each", written / warm, "≤", 1.5),
        ("peak resident memory, MiB", peak / 2**20, "≤", 128.0),
    ]
    # They overwrite a column in place, so ours is the replaced one, freeing included.
    for what, name, limit in (("numpy", "numpy and python-casacore", 4.0), ("ft", "CASA's ft", 8.0), ("wsclean", "wsclean -predict", 10.0)):
        if what in median:
            bars.append((f"{name} against ours, replacing", median[what] / median["replaced"], "≥", limit))
            on_disk = median[what] + statistics.median(forced[what])
            ours_on_disk = median["replaced"] + statistics.median(forced["replaced"])
            print(f"    {name}, all on the disk: {on_disk / ours_on_disk:.1f} of ours")
    passed = True
    for what, value, sign, limit in bars:
        good = value <= limit if sign == "≤" else value >= limit
        judged = size == "full" or what.startswith("peak")
        passed &= good or not judged
        mark = ("ok " if good else "BAD") if judged else "   "
        print(f"{mark} {what}: {value:.2f} ({sign} {limit:g})")
    if size != "full":
        print("    times of a small set are not judged: starting a process is most of them")
    return passed


def plain_file(path: Path, size: int) -> float:
    """Seconds of writing so many bytes to a new file with two threads, as `contimg model` has; not of forcing them to disk."""
    from concurrent.futures import ThreadPoolExecutor

    # Of the sizes tried, the one with which plain writing is fastest.
    block = np.random.default_rng(1).bytes(4 << 20)
    start = time.perf_counter()
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)

    def part(first: int) -> None:
        for at in range(first * len(block), size, 2 * len(block)):
            os.pwrite(fd, block[: min(len(block), size - at)], at)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(part, range(2)))
    seconds = time.perf_counter() - start
    os.close(fd)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only sets whose name contains this")
    parser.add_argument("--again", action="store_true", help="the second set, and the same bits without cache")
    parser.add_argument("--kernel", action="store_true", help="one core against numpy, numba and DP3")
    parser.add_argument("--column", action="store_true", help="a whole set against a plain file, numpy, CASA and WSClean")
    parser.add_argument("--all", action="store_true", help="everything")
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of --column")
    parser.add_argument("--repeats", type=int, default=3, help="of --column and --kernel")
    parser.add_argument("--against", default="numpy,ft,wsclean", help="of --column: some of numpy, ft, wsclean, or none")
    args = parser.parse_args()
    if unknown := set(args.against.split(",")) - {"numpy", "ft", "wsclean", "none"}:
        parser.error(f"--against: {', '.join(sorted(unknown))}: it is some of numpy, ft, wsclean, or none")
    env = Env.from_environ()
    folder = env.scratch / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        passed = True
        if args.all or not (args.again or args.kernel or args.column):
            passed &= accuracy(env, args.only)
        if args.all or args.again:
            passed &= again(env)
        if args.all or args.kernel:
            passed &= kernel(env, folder, args.repeats)
        if args.all or args.column:
            passed &= whole_column(env, args.size, args.repeats, set(args.against.split(",")))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
