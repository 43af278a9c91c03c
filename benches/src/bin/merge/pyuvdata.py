"""pyuvdata's way of merging subbands in memory, as the original pipeline had it: read all, then one `fast_concat`.

Arguments: how often to run it, and the files of one group. Prints what `merge once` prints. Imports are not timed, nor is the first reading of a
header, which loads astropy's tables; nor is sorting the channels (`reorder_freqs`), which the other ways do on the way.
"""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.utils import iers
from pyuvdata import UVData

# Earth-orientation data come from the installed package, never from the network.
iers.conf.auto_download = False
iers.conf.auto_max_age = None
iers.conf.iers_degraded_accuracy = "warn"

UNCHECKED = {"run_check": False, "run_check_acceptability": False, "strict_uvw_antpos_check": False, "check_extra": False}


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def _merge(paths: list[str]) -> UVData:
    parts = []
    for path in paths:
        part = UVData()
        part.read(path, file_type="uvh5", **UNCHECKED)
        part.uvw_array = part.uvw_array.astype(np.float64)
        parts.append(part)
    parts[0].fast_concat(parts[1:], axis="freq", inplace=True, **UNCHECKED)
    return parts[0]


def main() -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("pyuvdata").setLevel(logging.ERROR)
    # Names end in _sbNN.hdf5, and sb00 is the highest: ascending frequency, as the original sorts them.
    paths = sorted(sys.argv[2:], key=lambda path: path.rsplit("_sb", 1)[1], reverse=True)
    UVData().read(paths[0], file_type="uvh5", read_data=False, **UNCHECKED)
    # Resets the peak to the present resident set: proc(5).
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmHWM")
    seconds, cpu_seconds, array_bytes = [], [], 0
    for _ in range(int(sys.argv[1])):
        start, cpu_start = time.monotonic(), time.process_time()
        merged = _merge(paths)
        seconds.append(time.monotonic() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
        array_bytes = sum(array.nbytes for array in (merged.data_array, merged.flag_array, merged.nsample_array))
        del merged
    report = {
        "way": "pyuvdata",
        "seconds": min(seconds),
        "cpu_seconds": min(cpu_seconds),
        "input_bytes": sum(os.path.getsize(path) for path in paths),
        "array_bytes": array_bytes,
        "peak_bytes": _memory("VmHWM") - before,
    }
    print(json.dumps(report))


main()
