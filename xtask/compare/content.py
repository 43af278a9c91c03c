"""`cargo xtask compare`: the same files converted by contimg and by pyuvdata, compared value by value.

Every variant of the fixtures and every real UVH5 file beside the workspace. Data fringe-stopped on the meridian are compared
twice, since pyuvdata does not know the writer's keywords and takes them for unprojected:

- `plain`: contimg told the same (`--phasing unprojected`), against plain pyuvdata;
- `truth`: contimg as it is by default, against a pyuvdata that was told where the data were phased.
"""

import argparse
import json
import logging
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import disturb
import reference
from env import Env, Failed, run
from rows import Rows, Unreadable, read
from verdict import MAS, Check, Intended, compare, separation_rad


@dataclass(frozen=True)
class Case:
    """Some files, converted in one way."""

    name: str
    # Makes or finds the files of one group in a folder of its own.
    files: Callable[[Path], list[Path]]
    options: tuple[str, ...] = ()
    # Channels that only we have are a flagged gap.
    gap: bool = False
    # The date is beyond all Earth-orientation data.
    unpredicted: bool = False
    # A part of the message with which contimg must refuse, and why it is right to.
    refused: tuple[str, str] | None = None


@dataclass
class Result:
    """What one case gave."""

    name: str
    checks: list[Check] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    error: str | None = None
    refused: str | None = None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.error is None and all(c.passed for c in self.checks)

    @property
    def verdict(self) -> str:
        if not self.passed:
            return "FAILED"
        return "refused" if self.refused else "equal"


def _declination(uv: reference.UVData, files: list[Path]) -> float:
    """The apparent declination of a centre on the meridian: that of the pointing where the files say it, else of the zenith."""
    pointing = reference.pointing_declination(files)
    return uv.telescope.location.lat.rad if pointing is None else pointing


def _centre_checks(case: Case, ours: Rows, uv: reference.UVData, dec: float) -> list[Check]:
    """The choice of the phase centre, against astropy's and pyuvdata's own astrometry."""
    jd = uv.time_array
    if "meridian" in case.options:
        moments = np.unique(jd)
    elif "--centres" not in case.options:
        moments = np.array([(jd.min() + jd.max()) / 2])
    else:
        return []
    worst = {"astropy": 0.0, "pyuvdata": 0.0}
    ours_jd = ours.time_s / 86400 + 2_400_000.5
    for moment in moments:
        row = int(np.argmin(np.abs(ours_jd - moment)))
        for who, centre in reference.meridian_icrs(uv, dec, float(moment)).items():
            worst[who] = max(worst[who], float(separation_rad(ours.centre[row], centre)) / MAS)
    limit = 15_000 if case.unpredicted else 10
    return [Check(f"centre by {who}", value, limit, "mas") for who, value in worst.items()]


def _compare(case: Case, env: Env, folder: Path, files: list[Path], *, told: bool, phasing: tuple[str, ...]) -> Result:
    """One comparison: contimg with `phasing`, and a pyuvdata that is `told` of the meridian or not."""
    result = Result(case.name)
    ms, _ = env.convert(files, folder / "ours", *case.options, *phasing)
    ours = read(ms)
    uv, result.found = reference.read_group(files)
    keeps = reference.is_phased(uv) and ("--centres" not in case.options or "file" in case.options)
    dec = _declination(uv, files)
    if not reference.is_phased(uv):
        result.checks += _centre_checks(case, ours, uv, dec)
    if told:
        reference.tell_meridian(uv, dec)
    if not keeps:
        reference.phase_to(uv, ours.time_s, ours.centre)
    theirs = folder / "pyuvdata.ms"
    reference.write(uv, theirs)
    intended = Intended(gap=case.gap, unpredicted=case.unpredicted)
    result.checks += compare(ours, read(theirs), intended)
    result.found += intended.found
    return result


def _run(case: Case, env: Env) -> list[Result]:
    """Makes a case's files and compares them, once or, for meridian data, twice."""
    folder = env.scratch / "content"
    results = []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        files = case.files(folder / "in")
        meridian = reference.meridian_declination(files) is not None
        ways: list[tuple[str, bool, tuple[str, ...]]] = [("", False, ())]
        if meridian:
            ways = [(" · truth", True, ())]
            # Without the pointing there is no meridian to put centres on.
            if "meridian" not in case.options:
                ways.insert(0, (" · plain", False, ("--phasing", "unprojected")))
        for suffix, told, phasing in ways:
            start = time.monotonic()
            name = case.name + suffix
            try:
                shutil.rmtree(folder / "ours", ignore_errors=True)
                result = _compare(case, env, folder, files, told=told, phasing=phasing)
                result.name = name
                if case.refused:
                    result.error = f"contimg was to refuse this: {case.refused[1]}"
            except Failed as error:
                result = Result(name)
                if case.refused and case.refused[0] in error.words:
                    result.refused = case.refused[1]
                else:
                    result.error = str(error)
            except Unreadable as error:
                result = Result(name, error=str(error))
            except Exception:  # noqa: BLE001  pyuvdata raises anything; one case must not hide the others
                result = Result(name, error=traceback.format_exc())
            if meridian and told:
                result.found.append("fringe-stopped on the meridian, as its keywords say; pyuvdata alone takes it for unprojected")
            result.seconds = time.monotonic() - start
            results.append(result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


# Groups that the zoo of fixtures does not have: options of `group`, and how they are converted.
GROUPS: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("one correlation", ("--pols", "1"), ()),
    ("four, lzf, three axes, ascending", ("--pols", "4", "--compress", "lzf", "--three-axes", "--ascending"), ()),
    ("four, weights and flags", ("--pols", "4", "--varying-weights", "--flags", "0.1"), ()),
    ("weights and flags, a window a subband", ("--varying-weights", "--flags", "0.1"), ("--windows", "subband")),
    ("across 0 h, a centre an integration", ("--start", "2026-01-25T23:32:54"), ("--centres", "meridian")),
    ("a sky, the longest baselines", ("--content", "sky", "--antennas", "12", "--noise", "0.1"), ()),
    ("non-finite", ("--fault", "non-finite"), ()),
    ("zero weights", ("--fault", "zero-weights"), ()),
    ("history not UTF-8", ("--fault", "non-utf8-history"), ()),
    ("unfinished, flag", ("--fault", "unfinished"), ("--missing", "flag")),
    ("first, last and others missing, flag", tuple("--missing 0 --missing 4 --missing 5 --missing 15".split()), ("--missing", "flag")),
    ("first, last and others missing, split", tuple("--missing 0 --missing 4 --missing 5 --missing 15".split()), ("--missing", "split")),
]
# Files that are phased already, and a direction some degrees off, in which they are phased again.
PHASED = {"alma.uvh5": "213.0,1.0", "ata_C0352_bigendian.uvh5": "204.0,29.0"}
# Specimens of the zoo that are not one good group: each has tests of its own.
NOT_ONE_GROUP = ("fault-", "two-groups")


def cases(env: Env) -> list[Case]:
    """All cases: fixtures, and real files where they are."""

    def specimen(name: str) -> Callable[[Path], list[Path]]:
        return lambda _: sorted((env.scratch / "zoo" / name).glob("*.hdf5"))

    def made(options: tuple[str, ...]) -> Callable[[Path], list[Path]]:
        return lambda folder: env.make_group(folder, "--size", "tiny", *options)

    zoo = [p.name for p in sorted((env.scratch / "zoo").iterdir()) if not p.name.startswith(NOT_ONE_GROUP)]
    every = [Case(name, specimen(name), unpredicted=name == "far-future") for name in zoo]
    every += [Case(name, made(make), convert, gap="flag" in convert) for name, make, convert in GROUPS]
    no_pointing = ("pointing's declination", "these files do not say where the meridian's centres are")
    every.append(Case("unprojected, a centre an integration", made(("--unprojected",)), ("--centres", "meridian"), refused=no_pointing))
    data = env.real_data
    if data is None:
        print("skipped: real files (no folder ../shared/data beside the workspace)", file=sys.stderr)
        return every
    group = sorted((data / "dsa110-writer" / "small16").glob("*.hdf5"))
    lacking = [f for f in group if "_sb07" not in f.name]
    every += [
        Case("small16", lambda _: group),
        Case("small16, a window a subband", lambda _: group, ("--windows", "subband")),
        Case("small16, a centre an integration", lambda _: group, ("--centres", "meridian")),
        Case("small16, given centre", lambda _: group, ("--centres", "7.0,54.0")),
        Case("small16, weight spectrum", lambda _: group, ("--weight-spectrum", "always")),
        Case("small16 without sb07, refused", lambda _: lacking, refused=("sb07", "a subband is missing")),
        Case("small16 without sb07, flag", lambda _: lacking, ("--missing", "flag"), gap=True),
        Case("small16 without sb07, split", lambda _: lacking, ("--missing", "split")),
    ]
    for path in sorted(data.glob("**/*.uvh5")):
        name = str(path.relative_to(data))
        every.append(Case(name, lambda _, p=path: [p], ("--subbands", "1")))
        if path.name in PHASED:
            given = ("--subbands", "1", "--centres", PHASED[path.name])
            every.append(Case(f"{name}, given centre", lambda _, p=path: [p], given))
    return every


def _report(results: list[Result], as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "name": r.name, "verdict": r.verdict, "error": r.error, "reason": r.refused, "differences": r.found,
                "checks": [{"name": c.name, "worst": c.worst, "limit": c.limit, "unit": c.unit, "passed": c.passed} for c in r.checks],
            }
            for r in results
        ]  # fmt: skip
        print(json.dumps({"passed": all(r.passed for r in results), "comparisons": rows}, indent=1))
        return
    width = max((len(r.name) for r in results), default=4)
    columns = ["amplitude, relative", "phase", "complex, w undone", "UVW", "TIME", "phase centre"]
    heads = ["amplitude", "phase/rad", "complex", "UVW/mm", "TIME/ulp", "centre/mas"]
    print(f"{'':<{width}}  {'verdict':<8}" + "".join(f"{h:>12}" for h in heads))
    notes: dict[str, int] = {}
    for r in results:
        by_name = {c.name: c.worst for c in r.checks}
        cells = "".join(f"{by_name[c]:>12.2g}" if c in by_name else f"{'–':>12}" for c in columns)
        marks = [notes.setdefault(reason, len(notes) + 1) for reason in [r.refused, *r.found] if reason]
        print(f"{r.name:<{width}}  {r.verdict:<8}{cells}  {' '.join(f'[{m}]' for m in marks)}")
        for check in r.checks:
            if not check.passed:
                print(f"    {check}")
        if r.error:
            print("    " + r.error.replace("\n", "\n    "))
    failed = sum(not r.passed for r in results)
    print("\nIntended differences and reasons:" if notes else "")
    for note, mark in notes.items():
        print(f"{f'[{mark}]':>6} {note}")
    print(f"\n{len(results)} comparisons, {failed} failed. Flags, weights, frequencies, intervals, antennas and correlation types")
    print("are compared in each of them too, and shown where they fail.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask compare", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="only cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--prove", action="store_true", help="show that each check can fail")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pyuvdata").setLevel(logging.ERROR)
    env = Env.from_environ()
    shutil.rmtree(env.scratch / "zoo", ignore_errors=True)
    run([str(env.fixtures), "zoo", "--out", str(env.scratch / "zoo")])
    chosen = [c for c in cases(env) if not arguments.only or arguments.only in c.name]
    if arguments.list:
        print("\n".join(c.name for c in chosen))
        return 0
    if not chosen:
        print(f"error: no case is named `{arguments.only}`\nhint: --list shows them", file=sys.stderr)
        return 2
    if arguments.prove:
        return _prove(env, chosen[0])
    results: list[Result] = []
    for case in chosen:
        print(f"{case.name} …", file=sys.stderr)
        results += _run(case, env)
    _report(results, arguments.json)
    return 0 if all(r.passed for r in results) else 1


def _prove(env: Env, case: Case) -> int:
    """Writes pyuvdata's set of the first case, disturbs it, and demands that every disturbance is noticed."""
    folder = env.scratch / "prove"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        files = case.files(folder / "in")
        uv, _ = reference.read_group(files)
        if not reference.is_phased(uv):
            jd = uv.time_array
            centre = reference.meridian_icrs(uv, _declination(uv, files), float((jd.min() + jd.max()) / 2))["astropy"]
            reference.phase_to(uv, (jd - 2_400_000.5) * 86400, np.broadcast_to(centre, (uv.Nblts, 2)))
        ms = folder / "pyuvdata.ms"
        reference.write(uv, ms)
        missed = disturb.prove(ms, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for what in missed:
        print(f"not noticed: {what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
