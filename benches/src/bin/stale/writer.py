"""A writer of casacore tables that is no part of ours: takes one job a line, answers with one line each."""

import json
import sys

import numpy as np
from casacore.tables import table

for line in sys.stdin:
    job = json.loads(line)
    try:
        with table(job["table"], readonly=False, ack=False, lockoptions=job["lock"]) as t:
            for do, *args in job["do"]:
                if do == "rows":
                    t.addrows(args[0])
                elif do == "cell":
                    column, row, value = args
                    t.putcell(column, row, value)
                elif do == "array":
                    column, row, value, kind = args
                    t.putcell(column, row, np.array(value, dtype=kind))
                elif do == "slice":
                    column, row, first, last, value = args
                    t.putcellslice(column, row, np.array(value, dtype=bool), first, last, [])
                else:
                    raise ValueError(do)
        print("ok", flush=True)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other side must hear of it
        print(repr(error).replace("\n", " "), flush=True)
