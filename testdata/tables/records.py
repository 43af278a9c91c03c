"""Makes `records`: a column of records in four rows, of which two were never written.

    python records.py records
"""

import sys

import numpy as np
from casacore.tables import makescacoldesc, maketabdesc, table

desc = maketabdesc([makescacoldesc("ID", 0)])
manager = "StandardStMan"
desc["MODEL"] = {"valueType": "record", "dataManagerType": manager, "dataManagerGroup": manager, "option": 0, "maxlen": 0, "comment": "", "keywords": {}}
inner = {"ints": np.array([[1, 2], [3, 4]], dtype="i4"), "x": np.array([1 + 2j, 3j], dtype="c8")}
model = {
    "flux": 2.5, "on": True, "n": 7, "name": "3C48", "z": 1 - 2j, "shape": np.arange(6.0).reshape(2, 3),
    "flags": np.array([True, False]), "names": ["a", "bcd"], "inner": inner, "empty": np.zeros(0),
}  # fmt: skip
with table(sys.argv[1], desc, nrow=4, ack=False) as t:
    t.putcol("ID", np.arange(4, dtype="i4"))
    t.putcell("MODEL", 1, {})
    t.putcell("MODEL", 2, model)
