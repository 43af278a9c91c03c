"""Writes expected.json: what python-casacore reads of the sets under the shared data folder.

Usage: python expected.py FOLDER > expected.json, FOLDER with the archives unpacked. The test compares the same digests of
what the crate reads. Digest of a list of numbers: its length, first and last value, exact sum, exact sum of (i + 1) x[i].
"""
import json
import math
import os
import sys

import casacore.tables as ct


def digest(values):
    v = [float(x) for x in values]
    if not v:
        return [0]
    return [len(v), v[0], v[-1], math.fsum(v), math.fsum((i + 1) * x for i, x in enumerate(v))]


def rows_of(t, column):
    return [t.getcell(column, i) for i in range(t.nrows())]


def numbers(t, column):
    return [list(map(float, c.ravel())) for c in rows_of(t, column)]


def frames(t, column):
    info = t.getcolkeywords(column).get("MEASINFO", {})
    if "VarRefCol" in info:
        names = dict(zip((int(c) for c in info["TabRefCodes"]), info["TabRefTypes"]))
        return [names.get(int(c)) for c in rows_of(t, info["VarRefCol"])]
    return [info.get("Ref")] * t.nrows()


def one(path):
    sub = lambda name: ct.table(f"{path}/{name}", ack=False)
    out = {}
    t = sub("SPECTRAL_WINDOW")
    lists = {c: numbers(t, c) for c in ["CHAN_FREQ", "CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"]}
    out["windows"] = [
        [name, [digest(lists[c][i]) for c in lists], float(t.getcell("REF_FREQUENCY", i)),
         float(t.getcell("TOTAL_BANDWIDTH", i)), frames(t, "CHAN_FREQ")[i]]
        for i, name in enumerate(rows_of(t, "NAME"))
    ]
    t = sub("DATA_DESCRIPTION")
    out["data_descriptions"] = [[int(a), int(b)] for a, b in
                                zip(rows_of(t, "SPECTRAL_WINDOW_ID"), rows_of(t, "POLARIZATION_ID"))]
    t = sub("FIELD")
    out["fields"] = [
        [t.getcell("NAME", i), t.getcell("CODE", i), float(t.getcell("TIME", i)), int(t.getcell("SOURCE_ID", i)),
         [[numbers(t, c)[i], frames(t, c)[i]] for c in ["PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"]]]
        for i in range(t.nrows())
    ]
    t = sub("ANTENNA")
    out["antennas"] = [
        "|".join(",".join(t.getcell(c, i) for c in ["NAME", "STATION", "TYPE", "MOUNT"]) for i in (0, t.nrows() - 1)),
        digest(x for cell in numbers(t, "POSITION") for x in cell), digest(x for cell in numbers(t, "OFFSET") for x in cell),
        digest(rows_of(t, "DISH_DIAMETER")), frames(t, "POSITION")[0],
    ]
    t = sub("POLARIZATION")
    out["polarizations"] = [[list(map(int, t.getcell("CORR_TYPE", i))), t.getcell("CORR_PRODUCT", i).tolist()]
                            for i in range(t.nrows())]
    t = sub("OBSERVATION")
    out["observations"] = [[t.getcell(c, i) for c in ["TELESCOPE_NAME", "OBSERVER", "PROJECT"]] +
                           [list(map(float, t.getcell("TIME_RANGE", i)))] for i in range(t.nrows())]
    t = ct.table(path, ack=False)
    out["rows"] = t.nrows()
    out["columns"] = t.colnames()
    out["managers"] = sorted([m["TYPE"], sorted(m["COLUMNS"])] for m in t.getdminfo().values())
    ids = zip(*(t.getcol(c).tolist() for c in
                ["OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID", "TIME", "INTERVAL", "EXPOSURE"]))
    groups = {}
    for *key, time, interval, exposure in ids:
        groups.setdefault(tuple(key), []).append((time, interval, exposure))
    out["groups"] = [[*key, len(rows)] + [f(column) for column in zip(*rows) for f in (min, max)]
                     for key, rows in sorted(groups.items())]
    out["times"] = digest(sorted(set(t.getcol("TIME").tolist())))
    return out


if __name__ == "__main__":
    folder = sys.argv[1]
    sets = sorted(name for name in os.listdir(folder) if name.endswith(".ms"))
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(one(os.path.join(folder, name)))}" for name in sets)
    print("{" + text + "}")
