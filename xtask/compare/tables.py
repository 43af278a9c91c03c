"""`cargo xtask compare --tables`: columns of casacore tables against python-casacore, arcae and plain reads and writes.

Content: every table under ../shared/data (archives unpacked, subtables too) and a table for every storage manager, byte
order and kind of cell that our crates make: each column's SHA-256 over its cells, by tiles and through casacore, equals
python-casacore's. With `--mutations N`, `contimg meta` and `contimg flags` on damaged sets: where they answer and
python-casacore reads the same table, the answers are equal.

Speed: DATA of a converted group and of a table of the original's shape (1.8 million rows of 48 × 2), whole and in chunks of
10,000 rows, page cache warm, each way in processes of its own, in turn; the shortest time of each counts. python-casacore's
loop over `getcell` is timed on some rows and scaled to all.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from env import Env, Failed, run

CHUNK = 10_000
MIB = 2**20
# The bars.
TIMES_GETCOL = 4.0
TIMES_ARCAE = 1.2
OF_PREAD = 0.6
TIMES_GETCELL = 30.0
OF_PWRITE = 0.7
PEAK_BEYOND_CHUNK = 64 * MIB

NUMPY = {
    "boolean": "?", "uchar": "u1", "short": "<i2", "ushort": "<u2", "int": "<i4", "uint": "<u4", "int64": "<i8",
    "float": "<f4", "double": "<f8", "complex": "<c8", "dcomplex": "<c16",
}  # fmt: skip


# --- content ---------------------------------------------------------------------------------------------------------------


def _shape(shape: tuple[int, ...]) -> bytes:
    return struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)


def _strings(values: list[str]) -> bytes:
    encoded = [v.encode() for v in values]
    return b"".join(struct.pack("<I", len(v)) + v for v in encoded)


def _cell(value: object, kind: str) -> bytes:
    """An array cell's canonical bytes; python-casacore gives lists, dictionaries or arrays."""
    if kind == "string":
        if isinstance(value, dict):
            shape, values = tuple(value["shape"]), list(value["array"])
        else:
            array = np.asarray(value, dtype=object)
            shape, values = array.shape, [str(v) for v in array.ravel()]
        return _shape(shape) + _strings(values)
    array = np.asarray(value)
    return _shape(array.shape) + np.ascontiguousarray(array, dtype=NUMPY[kind]).tobytes()


def _record(record: dict) -> bytes:
    """A record's canonical bytes (`benches/src/bin/tables/content.rs` says which)."""
    return struct.pack("<I", len(record)) + b"".join(_strings([name]) + _value(value) for name, value in record.items())


def _value(value: object) -> bytes:
    if isinstance(value, bool | np.bool_):
        return b"b" + struct.pack("?", value)
    if isinstance(value, int | np.integer):
        return b"i" + struct.pack("<q", value)
    if isinstance(value, float | np.floating):
        return b"f" + struct.pack("<d", value)
    if isinstance(value, complex | np.complexfloating):
        return b"c" + struct.pack("<2d", value.real, value.imag)
    if isinstance(value, str):
        return b"t" + _strings([value.removeprefix("Table: ")]) if value.startswith("Table: ") else b"s" + _strings([value])
    if isinstance(value, dict):
        return b"r" + _record(value)
    array = np.asarray(value, dtype=object)
    return b"a" + _shape(array.shape) + b"".join(_value(each) for each in array.ravel())


def theirs(path: Path) -> dict[str, str]:
    """The digest of each column as python-casacore reads it."""
    from casacore.tables import table

    # Rows as records, which opening prepares, cannot hold unsigned shorts.
    table._makerow = lambda _: None
    found: dict[str, str] = {}
    with table(str(path), ack=False) as t:
        for name in t.colnames():
            description = t.getcoldesc(name)
            kind = description["valueType"].lower()
            digest = hashlib.sha256()
            if kind == "record":
                for row in range(t.nrows()):
                    digest.update(_record(t.getcell(name, row)))
            elif t.isscalarcol(name):
                values = t.getcol(name) if t.nrows() else []
                digest.update(_strings(list(values)) if kind == "string" else np.asarray(values, dtype=NUMPY[kind]).tobytes())
            else:
                for row in range(t.nrows()):
                    defined = t.iscelldefined(name, row)
                    digest.update(_cell(t.getcell(name, row), kind) if defined else struct.pack("<I", 2**32 - 1))
            found[name] = digest.hexdigest()
    return found


def _tables(env: Env, folder: Path) -> Iterator[tuple[str, Path]]:
    """Every table, with a name to print."""
    variants = folder / "variants"
    for line in run([str(env.tables), "variants", str(variants)]).splitlines():
        yield f"made: {Path(line).name}", Path(line)
    # Opening a table may write its lock file: copies, so that the originals stay as they are.
    for made in sorted((env.root / "testdata/tables").glob("*/table.dat")):
        yield f"made: {made.parent.name}", Path(shutil.copytree(made.parent, folder / "testdata" / made.parent.name))
    if env.real_data is None:
        print("skipped: real data, absent")
        return
    for number, archive in enumerate(sorted(env.real_data.rglob("*.tar.gz"))):
        unpacked = folder / f"archive-{number}"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        for dat in sorted(unpacked.rglob("table.dat")):
            yield f"{archive.name.removesuffix('.tar.gz')}: {dat.parent.relative_to(unpacked)}", dat.parent
    # References between tables are relative, so that whole folders are copied.
    for top in sorted({dat.relative_to(env.real_data).parts[0] for dat in env.real_data.rglob("table.dat")}):
        copy = folder / top
        shutil.copytree(env.real_data / top, copy, copy_function=shutil.copy)
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        for dat in sorted(copy.rglob("table.dat")):
            yield str(dat.parent.relative_to(folder)), dat.parent


def content(env: Env, folder: Path) -> dict:
    """Compares every table; prints those that differ and a summary."""
    columns = tiled = 0
    ways: dict[str, int] = {}
    wrong: list[str] = []
    tables = list(_tables(env, folder))
    # A prime number of rows a chunk, so that chunks end within tiles.
    answers = [subprocess.run([str(env.tables), "content", "--rows", "7", str(path)], capture_output=True, text=True) for _, path in tables]
    for (name, path), answer in zip(tables, answers, strict=True):
        if answer.returncode != 0:
            wrong.append(f"{name}: {answer.stderr.strip()}")
            continue
        ours = json.loads(answer.stdout)[str(path)]["columns"]
        for column, digest in theirs(path).items():
            found = ours.get(column, {})
            columns += 1
            tiled += "tiles" in found
            ways[found.get("way", "missing")] = ways.get(found.get("way", "missing"), 0) + 1
            for way in ("tiles", "general"):
                if found.get(way, digest if way == "tiles" else None) != digest:
                    wrong.append(f"{name}: column {column} {way}: {found}")
    print(f"content: {len(tables)} tables, {columns} columns, {tiled} by tiles too, {len(wrong)} differ from python-casacore")
    for way, count in sorted(ways.items(), key=lambda item: -item[1]):
        print(f"  {count:>5}  {way}")
    for line in wrong[:20]:
        print(f"  BAD {line}")
    return {"tables": len(tables), "columns": columns, "tiled": tiled, "wrong": wrong}


# --- damaged sets ----------------------------------------------------------------------------------------------------------


def _witness(ms: str) -> None:
    """What python-casacore says of a set, in a process that may crash."""
    from casacore.tables import table

    with table(ms, ack=False) as main:
        rows = main.nrows()
        flags = main.getcol("FLAG")
        either = flags | main.getcol("FLAG_ROW")[:, None, None]
        says = {"rows": rows, "total": flags.size, "flag": int(flags.sum()), "either": int(either.sum())}
        says["times"] = len(set(main.getcol("TIME").tolist()))
    with table(f"{ms}/SPECTRAL_WINDOW", ack=False) as t:
        says["frequencies"] = [t.getcell("CHAN_FREQ", i).tolist() for i in range(t.nrows())]
    with table(f"{ms}/ANTENNA", ack=False) as t:
        says["antennas"] = [[n, p.tolist()] for n, p in zip(t.getcol("NAME"), t.getcol("POSITION"), strict=True)]
    with table(f"{ms}/FIELD", ack=False) as t:
        says["fields"] = [[t.getcell("NAME", i), t.getcell("PHASE_DIR", i).tolist()] for i in range(t.nrows())]
    print(json.dumps(says))


def _ask(command: list[str], codes: tuple[int, ...]) -> dict | None:
    """The JSON that a program prints; none where it says no."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    return json.loads(done.stdout.splitlines()[-1] if command[0] == sys.executable else done.stdout) if done.returncode in codes else None


def _contradictions(meta: dict | None, flags: dict | None, witness: dict) -> list[str]:
    same = lambda a, b: json.dumps(a) == json.dumps(b)  # noqa: E731  (NaN equals itself)
    found = []
    if flags is not None:
        total = {k: sum(flags["counts"]["total"][c][k] for c in ("cross", "auto")) for k in ("total", "flag", "flag_or_row")}
        if [total["total"], total["flag"], total["flag_or_row"]] != [witness["total"], witness["flag"], witness["either"]]:
            found.append(f"flags {total}, python-casacore {witness['total']}, {witness['flag']}, {witness['either']}")
    if meta is not None:
        tables = meta["metadata"]["subtables"]
        pairs = {
            "rows": (meta["metadata"]["rows"]["rows"], witness["rows"]),
            "frequencies": ([w["freq_hz"] for w in tables["windows"]], witness["frequencies"]),
            "antennas": ([[a["name"], a["position_m"]] for a in tables["antennas"]], witness["antennas"]),
            "field names": ([f["name"] for f in tables["fields"]], [f[0] for f in witness["fields"]]),
            "phase centres": ([f["phase"]["terms"] for f in tables["fields"]], [f[1] for f in witness["fields"]]),
        }
        found += [f"{what}: {a} and {b}" for what, (a, b) in pairs.items() if not same(a, b)]
    return found


def mutations(env: Env, folder: Path, count: int, seed: int) -> dict:
    """Damages one file of a small set at a time."""
    files = env.make_group(folder / "mutations", "--flags", "0.2")
    ms, _ = env.convert(files, folder / "mutated", "--windows", "subband")
    parts = sorted(p for p in ms.rglob("*") if p.is_file() and p.name != "table.lock")
    chance = random.Random(seed)
    counts: dict[str, int] = {}
    wrong: list[str] = []
    for number in range(count):
        path = chance.choice(parts)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        kind = chance.randrange(5)
        place = chance.randrange(max(len(whole), 1))
        if kind == 0:
            del damaged[place:]
        elif kind == 1:
            damaged[place : place + 4] = struct.pack(">I", chance.choice([0x7FFFFFF0, 0xFFFFFFFF, 1 << 24, 0]))
        else:
            for _ in range(chance.choice([1, 2, 8])):
                if whole:
                    damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        limits = ["--json", "--limit-cpu", "20", "--limit-memory", "512MiB"]
        meta = _ask([str(env.contimg), "meta", str(ms), "--no-cache", *limits], (0,))
        flags = _ask([str(env.contimg), "flags", str(ms), *limits], (0, 5))
        witness = _ask([sys.executable, __file__, "--witness", str(ms)], (0,))
        outcome = " and ".join(
            [name for name, answer in (("meta", meta), ("flags", flags)) if answer is not None] or ["neither"]
        )
        key = f"{outcome} answered; python-casacore " + ("did" if witness else "did not")
        counts[key] = counts.get(key, 0) + 1
        if witness is not None:
            wrong += [f"{number} {path.relative_to(ms)}: {line[:300]}" for line in _contradictions(meta, flags, witness)]
        path.write_bytes(whole)
    print(f"damaged sets: {count}, {len(wrong)} answers that python-casacore contradicts")
    for key, n in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {n:>5}  {key}")
    for line in wrong[:20]:
        print(f"  BAD {line}")
    return {"mutations": count, "counts": counts, "wrong": wrong}


# --- speed -----------------------------------------------------------------------------------------------------------------


def _peak() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["VmHWM"].split()[0]) * 1024


def _peer(way: str, path: str, rows: int, runs: int, instances: int) -> None:
    """One peer in a process of its own; prints as `tables time` does."""
    seconds = []
    if way == "arcae":
        from arcae.lib.arrow_tables import Table

        with Table.from_filename(path, ninstances=instances) as t:
            total = t.nrow()
            step = rows or total
            first = t.getcol("DATA", index=(slice(0, 1),))
            result = np.ones((min(step, total), *first.shape[1:]), first.dtype)
            for _ in range(runs):
                start = time.perf_counter()
                for begin in range(0, total, step):
                    end = min(begin + step, total)
                    # As many pieces as instances, each read by a thread; arcae reads with one thread per instance.
                    edges = np.linspace(begin, end, instances + 1).astype(int)
                    with ThreadPoolExecutor(instances) as pool:
                        jobs = [
                            pool.submit(t.getcol, "DATA", index=(slice(int(a), int(b)),), result=result[a - begin : b - begin])
                            for a, b in zip(edges[:-1], edges[1:], strict=True)
                        ]
                        [job.result() for job in jobs]
                seconds.append(time.perf_counter() - start)
    else:
        from casacore.tables import table

        t = table(path, ack=False)
        total = t.nrows()
        step = rows or total
        if way == "getcolnp":
            first = t.getcell("DATA", 0)
            result = np.ones((min(step, total), *first.shape), first.dtype)
        for _ in range(runs):
            start = time.perf_counter()
            if way == "getcell":
                # Rows from all over the table, in order: `rows` of them.
                for row in range(0, total, max(total // rows, 1)):
                    t.getcell("DATA", row)
                count = len(range(0, total, max(total // rows, 1)))
                seconds.append((time.perf_counter() - start) * total / count)
                continue
            for begin in range(0, total, step):
                count = min(step, total - begin)
                if way == "getcol":
                    t.getcol("DATA", begin, count)
                else:
                    t.getcolnp("DATA", result[:count], begin, count)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "peak_bytes": _peak()}))


def _warm(path: Path) -> None:
    for file in path.glob("table.f*"):
        with file.open("rb", buffering=0) as f:
            while f.read(2**22):
                pass


def _time(env: Env, name: str, path: Path, rounds: int, cells: int) -> dict:
    """All ways in turn, `rounds` times."""
    ours = lambda how, rows, threads=0, runs=2: [  # noqa: E731
        str(env.tables), "time", how, str(path), "--rows", str(rows), "--threads", str(threads), "--runs", str(runs),
    ]  # fmt: skip
    peer = lambda how, rows, runs=2, instances=1: [  # noqa: E731
        sys.executable, __file__, "--peer", how, str(path), str(rows), str(runs), str(instances),
    ]  # fmt: skip
    # Neighbours are compared with each other, so that a slow moment of the machine meets both.
    ways = {
        "pread, 1 thread, whole": ours("pread", 0, 1),
        "pread, all threads, whole": ours("pread", 0),
        "ours, whole": ours("ours", 0),
        **{f"arcae, {n} instances, whole": peer("arcae", 0, instances=n) for n in (1, 2)},
        "pread, 1 thread, chunks": ours("pread", CHUNK, 1),
        "pread, all threads, chunks": ours("pread", CHUNK),
        "ours, chunks": ours("ours", CHUNK),
        **{f"arcae, {n} instances, chunks": peer("arcae", CHUNK, instances=n) for n in (1, 2, 4)},
        "ours, 1 thread, chunks": ours("ours", CHUNK, 1),
        "ours through casacore, chunks": ours("general", CHUNK, runs=1),
        "python-casacore getcol, chunks": peer("getcol", CHUNK, runs=1),
        "python-casacore getcolnp, chunks": peer("getcolnp", CHUNK, runs=1),
        "python-casacore getcell loop (scaled)": peer("getcell", cells, runs=1),
        "pwrite over, chunks": ours("pwrite", CHUNK),
        "ours writing over, chunks": ours("write", CHUNK),
        "pwrite new, chunks": ours("pwrite-new", CHUNK),
        "ours writing new, chunks": ours("write-new", CHUNK),
    }
    # numpy asks the system for large pages for its arrays; with this, so do plain reads and ours. The peers run as their
    # users run them: python-casacore's `getcol` is twice as fast with it.
    environ = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    best: dict[str, dict] = {}
    for number in range(rounds):
        for way, command in ways.items():
            # Reading ways find the file in the page cache; nothing is left to write of what came before.
            if "writ" not in way:
                _warm(path)
            os.sync()
            report = json.loads(run(command, env=environ if command[0] == str(env.tables) else None).splitlines()[-1])
            seconds = min(report["seconds"])
            print(f"{name}, round {number + 1}: {way} {seconds:.3f} s", file=sys.stderr)
            kept = best.setdefault(way, {"seconds": seconds, "peak_bytes": 0, "way": report.get("way", "")})
            kept["seconds"] = min(kept["seconds"], seconds)
            kept["peak_bytes"] = max(kept["peak_bytes"], report["peak_bytes"])
            for key in ("bytes", "chunk_bytes"):
                if key in report:
                    best.setdefault(key, {})[way] = report[key]
    return best


def _judge(name: str, best: dict, judged: bool) -> list[dict]:
    """The ratios and whether they keep their bars."""
    seconds = {way: entry["seconds"] for way, entry in best.items() if "seconds" in entry}
    size = next(iter(best["bytes"].values()))
    arcae = {kind: min((s, w) for w, s in seconds.items() if w.startswith("arcae") and w.endswith(kind)) for kind in ("whole", "chunks")}
    peak = best["ours, chunks"]["peak_bytes"] - best["chunk_bytes"]["ours, chunks"]
    bars = [
        ("chunks, × python-casacore getcol", seconds["python-casacore getcol, chunks"] / seconds["ours, chunks"], TIMES_GETCOL),
        (f"chunks, × {arcae['chunks'][1]}", arcae["chunks"][0] / seconds["ours, chunks"], TIMES_ARCAE),
        (f"whole, × {arcae['whole'][1]}", arcae["whole"][0] / seconds["ours, whole"], TIMES_ARCAE),
        ("chunks, of parallel pread", seconds["pread, all threads, chunks"] / seconds["ours, chunks"], OF_PREAD),
        ("whole, of parallel pread", seconds["pread, all threads, whole"] / seconds["ours, whole"], OF_PREAD),
        ("chunks, × the getcell loop", seconds["python-casacore getcell loop (scaled)"] / seconds["ours, chunks"],
         TIMES_GETCELL if name == "original" else 0.0),
        ("writing over, of parallel pwrite", seconds["pwrite over, chunks"] / seconds["ours writing over, chunks"], OF_PWRITE),
        ("writing new, of parallel pwrite", seconds["pwrite new, chunks"] / seconds["ours writing new, chunks"], OF_PWRITE),
    ]  # fmt: skip
    print(f"\n{name}: DATA of {size / 1e9:.2f} GB, chunks of {CHUNK} rows; {best['ours, chunks']['way']}")
    for way, entry in best.items():
        if "seconds" in entry:
            print(f"  {way:<40}{entry['seconds']:>9.3f} s{size / entry['seconds'] / 1e9:>8.2f} GB/s{entry['peak_bytes'] / MIB:>9.0f} MiB")
    results = [{"bar": bar, "value": value, "at_least": limit, "kept": value >= limit} for bar, value, limit in bars]
    results.append({"bar": "peak memory beyond the chunk, MiB", "value": peak / MIB, "at_most": PEAK_BEYOND_CHUNK / MIB,
                    "kept": peak <= PEAK_BEYOND_CHUNK})  # fmt: skip
    for result in results:
        limit = f"≥ {result['at_least']:g}" if "at_least" in result else f"≤ {result['at_most']:g}"
        mark = "" if not judged else "  ok" if result["kept"] else "  BAD"
        print(f"  {result['bar']:<40}{result['value']:>9.2f}  ({limit}){mark}")
    return results


def speed(env: Env, folder: Path, full: bool, rounds: int, only: str | None) -> dict:
    found = {}
    for name in ("full-size set", "original") if only is None else (only,):
        if name == "original":
            path = folder / "original.tab"
            run([str(env.tables), "original", str(path), "--rows", str(1_800_000 if full else 60_000)])
        else:
            files = env.make_group(folder / "in", "--size", "full" if full else "small")
            path, _ = env.convert(files, folder / "set")
            shutil.rmtree(folder / "in")
        best = _time(env, name, path, rounds, 100_000 if full else 20_000)
        found[name] = {"ways": best, "bars": _judge(name, best, full)}
        shutil.rmtree(path)
    return found


def main() -> int:
    if sys.argv[1:2] == ["--peer"]:
        _peer(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7]))
        return 0
    if sys.argv[1:2] == ["--witness"]:
        _witness(sys.argv[2])
        return 0
    parser = argparse.ArgumentParser(prog="cargo xtask compare --tables", description=__doc__)
    parser.add_argument("--content", action="store_true", help="only the content")
    parser.add_argument("--speed", action="store_true", help="only the speed")
    parser.add_argument("--size", choices=("full", "small"), default="full", help="of what is timed; a small size is not judged")
    parser.add_argument("--set", choices=("full-size set", "original"), help="time only this one")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed")
    parser.add_argument("--mutations", type=int, default=0, help="damaged sets to ask contimg and python-casacore about")
    parser.add_argument("--seed", type=int, default=110)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    env = Env.from_environ()
    folder = env.scratch / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    everything = not (arguments.content or arguments.speed or arguments.mutations)
    document: dict = {}
    try:
        if arguments.content or everything:
            document["content"] = content(env, folder)
        if arguments.mutations:
            document["mutations"] = mutations(env, folder, arguments.mutations, arguments.seed)
        if arguments.speed or everything:
            document["speed"] = speed(env, folder, arguments.size == "full", arguments.rounds, arguments.set)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1))
    bars = [bar for one in document.get("speed", {}).values() for bar in one["bars"]]
    passed = not document.get("content", {}).get("wrong") and not document.get("mutations", {}).get("wrong")
    passed &= arguments.size != "full" or all(bar["kept"] for bar in bars)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
