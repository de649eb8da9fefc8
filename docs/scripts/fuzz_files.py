"""Damages files of every format that the program reads, and reports what reading them did.

    PYTHONPATH=. python docs/scripts/fuzz_files.py --count 2000 [--first 0] [--format NAME ...]

Each file is made from a small whole one by a seed (0, 1, ...; ``--first`` goes on where another call ended) and is read
by the program's own functions, in a forked process with bounded memory and time. Only a ``UserError`` may come of it.
A table on standard output, a row a format; wrong seeds below it, each of which can be tried again alone:

    PYTHONPATH=. python docs/scripts/fuzz_files.py --format "score npz" --first 1234 --count 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from tests.fuzzing.formats import FORMATS
from tests.fuzzing.running import MEMORY, SECONDS, fuzz


def main() -> int:
    """Returns 1 if anything but a refusal or a result came of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="files of each format")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--format", action="append", choices=list(FORMATS), help="only this one; repeatable")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    print(f"limits: {MEMORY >> 20} MiB more than the interpreter holds, {SECONDS:g} s of computing a file")
    print("| format | files | refused | read | wrong | slowest, s | memory, MiB | minutes |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    failed = False
    for name in wanted.format or FORMATS:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = fuzz(FORMATS[name], range(wanted.first, wanted.first + wanted.count), Path(folder))
        row = (name, wanted.count, found.refused, found.read, len(found.wrong))
        minutes = (time.monotonic() - begun) / 60
        print("|", " | ".join(map(str, row)), f"| {found.slowest:.2f} | {found.grown >> 20} | {minutes:.1f} |")
        for seed, what in sorted(found.wrong.items(), key=lambda item: item[1]):
            print(f"  wrong: {name}, seed {seed}: {what}")
        sys.stdout.flush()
        failed |= bool(found.wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
