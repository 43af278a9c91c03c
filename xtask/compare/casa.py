"""CASA's opinion of a Measurement Set: `listobs` and every question that `msmetadata` can answer.

Run as a program of its own (`python casa.py SET`), in a scratch folder, with a configuration that reads casadata's tables and
never the network. It prints JSON: the messages of CASA's log that are warnings or worse, and what was listed.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

# Priorities of CASA's log that count. INFO and below do not.
COUNTED = ("WARN", "SEVERE", "ERROR")


def configured(scratch: Path) -> dict[str, str]:
    """The environment of a process that uses CASA: its data from PyPI, no updates, all that it leaves behind in `scratch`."""
    scratch.mkdir(parents=True, exist_ok=True)
    spec = find_spec("casadata")
    if spec is None or spec.origin is None:
        raise RuntimeError("casadata is not installed in the comparison's environment")
    data = Path(spec.origin).parent / "__data__"
    config = scratch / "casasiteconfig.py"
    config.write_text(
        f"measurespath = {str(data)!r}\ndatapath = [{str(data)!r}]\nmeasures_auto_update = False\n"
        "data_auto_update = False\nnologger = True\nnogui = True\nagg = True\n"
        f"cachedir = {str(scratch / 'cache')!r}\n"
    )
    (scratch / "cache").mkdir(exist_ok=True)
    return os.environ | {"CASASITECONFIG": str(config.resolve()), "HOME": str(scratch.resolve())}


def examine(ms: Path, scratch: Path) -> dict:
    """Runs the questions in a process of their own: `messages` that count, `errors` of tasks, and `answers`."""
    environ = configured(scratch)
    log = scratch / "casa.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).resolve()), str(ms.resolve()), str(log.resolve())]
    done = subprocess.run(command, cwd=scratch, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"messages": [], "errors": [f"exit code {done.returncode}: {done.stderr[-2000:]}"], "answers": {}}
    found = json.loads(done.stdout.splitlines()[-1])
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ["SEVERE: CASA wrote no log"]
    found["messages"] = [line for line in lines if any(f"\t{p}\t" in line or line.startswith(p) for p in COUNTED)]
    return found


def _questions(ms: str, log: str) -> dict:
    from casatasks import casalog, listobs
    from casatools import msmetadata

    casalog.setlogfile(log)
    casalog.showconsole(False)
    errors: list[str] = []
    answers: dict[str, object] = {}
    listed = Path("listobs.txt")
    listed.unlink(missing_ok=True)
    try:
        listobs(vis=ms, listfile=str(listed), verbose=True, overwrite=True)
        answers["listobs"] = listed.read_text().splitlines()
    except Exception as error:  # noqa: BLE001  CASA raises anything; each failure is reported
        errors.append(f"listobs: {error}")
    md = msmetadata()
    md.open(ms)
    # Every question without arguments, and those of each window, field, antenna and scan.
    of_all = "antennanames antennastations fieldnames nantennas narrays nbaselines nfields nobservations nrows nscans nspw nstates observatorynames observers projects scannumbers spwfordatadesc datadescids intents effexposuretime"
    of_window = "bandwidths chanfreqs chanwidths chaneffbws chanres meanfreq nchan reffreq sideband namesforspws"
    of_field = "phasecenter refdir sourceidforfield timesforfield spwsforfield scansforfield"
    asked: list[tuple[str, tuple]] = [(q, ()) for q in of_all.split()]
    asked += [("timerangeforobs", (0,)), ("schedule", (0,)), ("observatoryposition", (0,)), ("antennaposition", (0,)), ("antennadiameter", (0,))]
    asked += [(q, (s,)) for q in of_window.split() for s in range(md.nspw())]
    asked += [(q, (f,)) for q in of_field.split() for f in range(md.nfields())]
    asked += [("exposuretime", (int(s),)) for s in md.scannumbers()] + [("timesforscan", (int(s),)) for s in md.scannumbers()]
    asked += [("corrtypesforpol", (0,)), ("corrprodsforpol", (0,)), ("antennaoffset", (0,)), ("summary", ())]
    count = 0
    for question, arguments in asked:
        method = getattr(md, question, None)
        if method is None:
            continue
        count += 1
        try:
            answer = method(*arguments)
        except Exception as error:  # noqa: BLE001  as above
            errors.append(f"msmetadata.{question}{arguments}: {error}")
            continue
        if question in ("nrows", "nspw", "nfields", "nantennas", "nscans", "observatorynames"):
            answers[question] = answer
    md.close()
    md.done()
    answers["questions"] = count
    return {"errors": errors, "answers": answers}


if __name__ == "__main__":
    print(json.dumps(_questions(sys.argv[1], sys.argv[2]), default=str))
