"""Where things are, and how other programs are run."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class Failed(Exception):
    """A program that was run said no: its name, exit code and last words."""

    def __init__(self, command: Sequence[str], code: int, stderr: str) -> None:
        last = "\n".join(line for line in stderr.strip().splitlines() if line.strip())
        super().__init__(f"{Path(command[0]).name} {' '.join(command[1:3])} …: exit code {code}\n{last}")
        self.code = code
        self.words = last


@dataclass(frozen=True)
class Env:
    """Given by `cargo xtask compare`, which builds the programs and makes the virtual environment."""

    root: Path  # the workspace
    scratch: Path  # a folder of our own under target/
    contimg: Path
    fixtures: Path
    tables: Path  # of `benches`

    @classmethod
    def from_environ(cls) -> "Env":
        get = os.environ
        env = cls(
            root=Path(get["CONTIMG_COMPARE_ROOT"]),
            scratch=Path(get["CONTIMG_COMPARE_SCRATCH"]),
            contimg=Path(get["CONTIMG_COMPARE_CONTIMG"]),
            fixtures=Path(get["CONTIMG_COMPARE_FIXTURES"]),
            tables=Path(get["CONTIMG_COMPARE_TABLES"]),
        )
        env.scratch.mkdir(parents=True, exist_ok=True)
        return env

    @property
    def real_data(self) -> Path | None:
        """Files of real telescopes, beside the workspace; absent on most machines."""
        folder = self.root.parent / "shared" / "data"
        return folder if folder.is_dir() else None

    def make_group(self, out: Path, *options: str) -> list[Path]:
        """Makes one group of subband files and gives their paths, sorted by name; unfinished files are not among them."""
        run([str(self.fixtures), "group", "--out", str(out), *options])
        return sorted(p for p in out.glob("*.hdf5") if not p.stem.endswith("_incomplete"))

    def convert(self, inputs: Sequence[Path], out: Path, *options: str) -> tuple[Path, dict]:
        """Converts one group; gives its Measurement Set and the program's own summary."""
        before = set(out.glob("*.ms")) if out.is_dir() else set()
        command = [str(self.contimg), "convert", *map(str, inputs), "--out", str(out), "--json", "--quiet", "--no-cache"]
        summary = json.loads(run([*command, *options]))
        made = sorted(set(out.glob("*.ms")) - before)
        if len(made) != 1:
            raise Failed(command, 0, f"{len(made)} Measurement Sets appeared instead of one: {[m.name for m in made]}")
        return made[0], summary


def run(command: Sequence[str], **options) -> str:
    """Runs a program to its end and gives its stdout; raises `Failed` when it fails."""
    done = subprocess.run(list(command), capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(command, done.returncode, done.stderr or done.stdout)
    return done.stdout
