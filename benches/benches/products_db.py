"""The design document's batched query of tiles (optimisation 3), as it stands there, timed.

    products_db.py DATABASE < PATHS

prints the shortest of seven runs as JSON. Two of the document's columns are not in the original's tables and one has another
name there; its loop over the tiles is left out, since it calls a method that `sqlite3.Row` does not have.
"""

import json
import sqlite3
import sys
import time


def batched(products_db, tiles):
    with sqlite3.connect(str(products_db)) as conn:
        conn.row_factory = sqlite3.Row
        placeholders = ",".join(["?"] * len(tiles))
        rows = conn.execute(
            f"""SELECT path, ms_path, noise_jy, NULL AS dynamic_range,
                pbcor AS pbcor_applied, NULL AS calibration_applied
                FROM images WHERE path IN ({placeholders})""",
            tiles,
        ).fetchall()
        return {row["path"]: row for row in rows}


def main():
    tiles = sys.stdin.read().split("\n")
    shortest, found = float("inf"), {}
    for _ in range(7):
        start = time.perf_counter()
        found = batched(sys.argv[1], tiles)
        shortest = min(shortest, time.perf_counter() - start)
    print(json.dumps({"seconds": shortest, "rows": len(found), "sqlite": sqlite3.sqlite_version}))


main()
