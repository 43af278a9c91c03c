"""`cargo xtask compare --speed`: contimg against pyuvdata and against copying the same bytes, in one run.

A full group is made, its files brought into the page cache, and then, several times in turn: `cp --reflink=never` of the
sixteen files to the same disk followed by `sync`, and `contimg convert`, which syncs its Measurement Set before it names it.
pyuvdata goes once: read all, `fast_concat`, `reorder_freqs`, `phase`, `write_ms`, all checks off; it does not sync.
"""

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from env import Env, Failed, run

GIB = 2**30
# The bars: at least so many times faster than pyuvdata, at most so many times the copy's time.
FASTER_THAN_PYUVDATA = 12.0
TIMES_THE_COPY = 1.5


@dataclass(frozen=True)
class Timing:
    """One group's figures."""

    pols: int
    group_bytes: int
    ours_s: list[float]
    copy_s: list[float]
    ours_cpu_s: float  # median of user and system time, all processes
    copy_cpu_s: float
    pyuvdata_s: float
    pyuvdata_peak_bytes: int
    load: float  # running programs of others when it began

    @property
    def gain(self) -> float:
        return self.pyuvdata_s / statistics.median(self.ours_s)

    @property
    def against_copy(self) -> float:
        return statistics.median(self.ours_s) / statistics.median(self.copy_s)

    @property
    def passed(self) -> bool:
        return self.gain >= FASTER_THAN_PYUVDATA and self.against_copy <= TIMES_THE_COPY


def _warm(files: Sequence[Path]) -> None:
    """Reads every file once, so that its bytes are in the page cache."""
    for path in files:
        with path.open("rb", buffering=0) as f:
            while f.read(2**22):
                pass


def _timed(action: Callable[[], object], files: Sequence[Path]) -> tuple[float, float]:
    """Wall and CPU time of `action`, with nothing left to write of what came before and the files in the cache."""
    os.sync()
    _warm(files)
    before, start = os.times(), time.monotonic()
    action()
    wall, after = time.monotonic() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


def _copy(files: Sequence[Path], out: Path) -> None:
    out.mkdir()
    subprocess.run(["cp", "--reflink=never", *map(str, files), str(out)], check=True)
    subprocess.run(["sync"], check=True)


def _pyuvdata(files: Sequence[Path], ms: Path) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of pyuvdata, in a process of its own."""
    command = [sys.executable, __file__, "--pyuvdata", str(ms), *map(str, files)]
    report = json.loads(run(command).splitlines()[-1])
    return report["seconds"], report["peak_bytes"]


def _pyuvdata_process(ms: Path, files: Sequence[Path]) -> None:
    """What `_pyuvdata` starts. Imports are not timed, nor is the first reading of a header, which loads astropy's tables."""
    import reference

    warnings.simplefilter("ignore")
    logging.getLogger("pyuvdata").setLevel(logging.ERROR)
    reference.UVData().read(files[0], file_type="uvh5", read_data=False, **reference.UNCHECKED)
    start = time.monotonic()
    uv, _ = reference.read_group(files)
    jd = uv.time_array
    dec = reference.meridian_declination(files)
    dec = uv.telescope.location.lat.rad if dec is None else dec
    centre = reference.meridian_icrs(uv, dec, float((jd.min() + jd.max()) / 2))["pyuvdata"]
    uv.phase(lon=centre[0], lat=centre[1], phase_frame="icrs", cat_type="sidereal", cat_name="mid")
    reference.write(uv, ms)
    seconds = time.monotonic() - start
    # The kernel's own count of this process; `ru_maxrss` would include the process that started it.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    peak = int(status["VmHWM"].split()[0]) * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


def _require_room(folder: Path, size: str, pols: int) -> None:
    """Refuses before anything is made when the disk or the memory cannot hold it."""
    if size != "full":
        return
    group = 1.17 * pols * GIB
    free = shutil.disk_usage(folder).free
    if free < 3.2 * group:
        raise Failed(["compare", "--speed"], 1, f"{free / GIB:.0f} GiB free under {folder}, {3.2 * group / GIB:.0f} GiB needed: free some, or --size small")
    memory = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(memory["MemAvailable"].split()[0]) * 1024
    if available < 2.9 * group:
        raise Failed(["compare", "--speed"], 1, f"{available / GIB:.0f} GiB of memory available, pyuvdata needs {2.9 * group / GIB:.0f}: --size small")


def _measure(env: Env, folder: Path, size: str, pols: int, runs: int) -> Timing:
    say = lambda text: print(f"{pols} polarisations: {text}", file=sys.stderr)  # noqa: E731
    _require_room(env.scratch, size, pols)
    load = os.getloadavg()[0]
    say(f"making a {size} group …")
    files = env.make_group(folder / "in", "--size", size, "--pols", str(pols))
    ours: list[tuple[float, float]] = []
    copy: list[tuple[float, float]] = []
    for i in range(runs):
        for name, times, action in (
            ("cp + sync", copy, lambda: _copy(files, folder / "copy")),
            ("contimg", ours, lambda: env.convert(files, folder / "ours")),
        ):
            times.append(_timed(action, files))
            say(f"run {i + 1}: {name} {times[-1][0]:.2f} s, CPU {times[-1][1]:.2f} s")
            shutil.rmtree(folder / "copy", ignore_errors=True)
            shutil.rmtree(folder / "ours", ignore_errors=True)
    say("pyuvdata …")
    os.sync()
    _warm(files)
    seconds, peak = _pyuvdata(files, folder / "pyuvdata.ms")
    say(f"pyuvdata {seconds:.1f} s")
    median = statistics.median
    return Timing(
        pols=pols,
        group_bytes=sum(f.stat().st_size for f in files),
        ours_s=[wall for wall, _ in ours],
        copy_s=[wall for wall, _ in copy],
        ours_cpu_s=median(cpu for _, cpu in ours),
        copy_cpu_s=median(cpu for _, cpu in copy),
        pyuvdata_s=seconds,
        pyuvdata_peak_bytes=peak,
        load=load,
    )


def _report(timings: Sequence[Timing], size: str, as_json: bool) -> None:
    if as_json:
        rows = [
            {"pols": t.pols, "group_bytes": t.group_bytes, "contimg_s": t.ours_s, "copy_s": t.copy_s,
             "contimg_cpu_s": t.ours_cpu_s, "copy_cpu_s": t.copy_cpu_s, "load": t.load, "pyuvdata_s": t.pyuvdata_s,
             "pyuvdata_peak_bytes": t.pyuvdata_peak_bytes, "gain": t.gain, "against_copy": t.against_copy, "passed": t.passed}
            for t in timings
        ]  # fmt: skip
        print(json.dumps({"size": size, "judged": size == "full", "groups": rows}, indent=1))
        return
    print(f"{'pols':>4}{'group/GB':>10}{'cp+sync/s':>11}{'pyuvdata/s':>12}{'its peak/GB':>13}{'contimg/s':>11}"
          f"{'× pyuvdata':>12}{'× copy':>8}")  # fmt: skip
    for t in timings:
        print(f"{t.pols:>4}{t.group_bytes / 1e9:>10.2f}{statistics.median(t.copy_s):>11.2f}{t.pyuvdata_s:>12.1f}"
              f"{t.pyuvdata_peak_bytes / 1e9:>13.2f}{statistics.median(t.ours_s):>11.2f}{t.gain:>12.1f}{t.against_copy:>8.2f}"
              f"{'' if t.passed or size != 'full' else '  ✗'}")  # fmt: skip
    print(f"bars: ≥ {FASTER_THAN_PYUVDATA:g} × faster than pyuvdata, ≤ {TIMES_THE_COPY:g} × the copy; medians of {len(timings[0].ours_s)} runs")
    for t in timings:
        print(f"CPU seconds with {t.pols} polarisations: contimg {t.ours_cpu_s:.2f}, copy {t.copy_cpu_s:.2f}")
        if t.load > 0.5:
            print(f"  the machine was busy (load {t.load:.1f} on {os.cpu_count()} cores): a program of many threads loses most by that")
    if size != "full":
        print(f"a {size} group is not judged: starting a process is most of its time")


def main() -> int:
    if sys.argv[1:2] == ["--pyuvdata"]:
        _pyuvdata_process(Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]])
        return 0
    parser = argparse.ArgumentParser(prog="cargo xtask compare --speed", description=__doc__)
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--pols", default="2,4", help="numbers of polarisations, separated by commas")
    parser.add_argument("--runs", type=int, default=3, help="runs of contimg and of the copy")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    env = Env.from_environ()
    folder = env.scratch / "speed"
    timings = []
    try:
        for pols in map(int, arguments.pols.split(",")):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            timings.append(_measure(env, folder, arguments.size, pols, arguments.runs))
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _report(timings, arguments.size, arguments.json)
    return 0 if arguments.size != "full" or all(t.passed for t in timings) else 1


if __name__ == "__main__":
    sys.exit(main())
