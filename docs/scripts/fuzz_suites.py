"""Mutated suites, read as ``rbsnn run --dry-run`` reads them: each is loaded and planned, or refused with a message.

    python docs/scripts/fuzz_suites.py --count 20000 --first 0

A mutant follows from its number alone, so that a run can be continued (``--first``) and a finding made again
(``--first N --count 1 --show``). Children do the reading, in bounded memory; findings are two seconds of work, after
which the child is killed, and every exception but a ``UserError``.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import load_suite, read_suite_text, shipped_suites
from robustbench_snn.training import resolve_recipe

SECONDS = 2.0
"""Of processor time: a machine may be busy with other things."""
LONGEST = 120.0
"""Of waiting, for what a child does not compute."""
MEMORY = 2**30  # beyond what the program has before it reads anything
PLACE = Path(mkdtemp(prefix="fuzz_suites_"))
PIPE = PLACE / "pipe"

HOSTILE = [
    "true", "false", "yes", "null", "~", "''", "0", "-1", "-0.0", "1.5", "1e-3", "1e999999999", "'1e999999999'",
    "'1e-999999999'", "8/0", "8/255", "'²'", "٣", ".nan", ".inf", "-.inf", "1.0e+400", "10000000", "1000000000000",
    "18446744073709551616", "9" * 5000, "0x" + "f" * 5000, "0b_", "0x_", "1:1:1:1", "2020-01-01", "=", "{}", "[]",
    "[[]]", "{a: b}", "{name: {name: x}}", "{name: null}", "{name: [x]}", "{float: 1}", "{1: 2}", "{true: 1}",
    "{? [a] : b}", "{'a-b': 1}", "{'': ''}", "[" * 200 + "]" * 200, "[" * 5000 + "]" * 5000,
    "{a: " * 30 + "1" + "}" * 30,
    "[*x, *x]", "&x [a, a]", "*x", "&x {<<: *x}", "{<<: [1]}", "!!int x", "!!binary x", "!!timestamp x",
    "!!python/name:os.system", "! x", '"\\0"', '"\\ud800"', '"\\e[31m"', '"\\u202e"', "'{'", "'%s%n'", "/dev/zero",
    "/dev/stdin", str(PIPE), str(PLACE), "/etc/passwd", "../../../../etc/passwd", "nowhere.yaml", "a" * 300,
    "a" * 100_000,
    "[" + ", ".join(["x"] * 2000) + "]", "[" + ", ".join(map(str, range(2000))) + "]", "all", "auto", "clean", "pgd",
    "{pgd: {eps: 8/255}}", "{attack: pgd, eps: 0.1}", "spikformer", "{spikformer: {depth: 10000000}}", "digits",
    "{encoders: [direct, stf]}", "{timesteps: 1024}", "linf", "l2", "{name: parquet, root: /dev/zero}",
]  # fmt: skip
"""Values, as YAML writes them."""


def mutant(number: int) -> tuple[bytes, list[str]]:
    """A suite file that follows from a number, and what ``--set`` changes of it."""
    draw = random.Random(f"suite {number}")
    text = read_suite_text(draw.choice(shipped_suites()))[0]
    data = yaml.safe_load(text)
    if draw.random() < 0.7:
        data["dataset"] = {"name": "digits", "limit": 10, "train_limit": 20}
        text = yaml.safe_dump(data, sort_keys=False)
    if draw.random() < 0.7:
        inserted: list[str] = []
        for _ in range(draw.choice([1, 1, 1, 2, 3, 6])):
            _change(data, draw, inserted)
        text = yaml.safe_dump(data, sort_keys=False, width=10**6)
        for index, value in enumerate(inserted):
            text = text.replace(f"@{index}@", value)
    content = text.encode()
    if draw.random() < 0.35:
        for _ in range(draw.choice([1, 2, 5, 20])):
            content = draw.choice(_BYTES)(content, draw)
    changes = [_setting(draw) for _ in range(draw.choice([0, 0, 0, 0, 1, 2]))]
    return content, changes


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list in the data with each of its keys."""
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])


def _change(data: dict[str, Any], draw: random.Random, inserted: list[str]) -> None:
    places = list(_places(data))
    if not places:
        return
    holder, key = draw.choice(places)
    inserted.append(draw.choice(HOSTILE))
    new = f"@{len(inserted) - 1}@"
    match draw.randrange(8):
        case 0 | 1 | 2:
            holder[key] = new
        case 3:
            del holder[key]
        case 4 if isinstance(holder, dict):
            holder[new] = holder.pop(key)
        case 4 | 5 if isinstance(holder, list):
            holder.insert(key, holder[key])
        case 5 if isinstance(holder, dict):
            holder[draw.choice(["eps", "steps", "limit", "label", "name", "seeds", "weights", "root", new])] = new
        case 6:
            other, from_key = draw.choice(places)
            holder[key] = other[from_key] if not _holds(other[from_key], holder) else None
        case _:
            holder[key] = {"name": holder[key], **({} if draw.random() < 0.5 else {"x": new})}


def _holds(node: Any, searched: Any) -> bool:
    return node is searched or any(_holds(holder[key], searched) for holder, key in _places(node))


def _setting(draw: random.Random) -> str:
    parts = [
        "dataset",
        "limit",
        "models",
        "0",
        "9",
        "²",
        "name",
        "evaluations",
        "recipe",
        "epochs",
        "table",
        "",
        "x",
        "grid",
    ]
    key = ".".join(draw.choice(parts) for _ in range(draw.choice([1, 2, 3, 3, 50])))
    return f"{key}{draw.choice(['=', '=', '=', ''])}{draw.choice([*HOSTILE, '{', '[', '*', '!'])}"


def _flip(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + bytes([draw.randrange(256)]) + content[place + draw.randrange(2) :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[last if draw.random() < 0.9 else len(content) :]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    first = draw.randrange(len(content) + 1)
    part = content[first : first + draw.choice([1, 10, 100, 1000])]
    return content[:first] + part * draw.choice([2, 3, 50]) + content[first:]


def _insert(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return (
        content[:place]
        + draw.choice([*HOSTILE, ":", "\n", "\t", " ", "\r", "\0", "---", "- ", "#"]).encode()
        + content[place:]
    )


_BYTES: list[Callable[[bytes, random.Random], bytes]] = [_flip, _flip, _cut, _repeat, _insert]


def outcome(number: int) -> str:
    """What becomes of a mutant: ``planned``, ``valid`` for data that is not here, ``refused``, or the error."""
    content, changes = mutant(number)
    path = PLACE / f"{os.getpid()}.yaml"
    path.write_bytes(content)
    try:
        suite = load_suite(str(path), changes)
        if suite.dataset.name != "digits":
            return "valid"
        make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    except UserError as error:
        return "refused" if str(error).strip() else "refused without a word"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
        return f"{type(error).__name__} {str(error)[:150]!r} at {where}"
    return "planned"


def child(first: int, last: int, pipe: int) -> None:
    """Reads mutants one after another, and says what became of each."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(first, last):
        begun = time.process_time()
        found = outcome(number)
        os.write(pipe, f"{number}\t{time.process_time() - begun:.3f}\t{found}\n".encode(errors="replace"))
    os._exit(0)


def _processor_time(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watched(first: int, last: int) -> Iterator[tuple[int, float, str]]:
    """The same from a child, and from the next one where it had to be killed."""
    while first < last:
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            child(first, last, writing)
        os.close(writing)
        said, waited, before = b"", 0.0, 0.0
        while first < last:
            while b"\n" in said:
                line, _, said = said.partition(b"\n")
                number, seconds, found = line.decode().split("\t", 2)
                yield int(number), float(seconds), found if float(seconds) <= SECONDS else f"slow, then {found}"
                first += 1
            if first == last:
                break
            if not select.select([reading], [], [], SECONDS)[0]:
                waited, worked = waited + SECONDS, _processor_time(process) - before
                if worked < SECONDS and waited < LONGEST:
                    continue
                os.kill(process, signal.SIGKILL)
                yield first, worked, f"hang, after {waited:.0f} s"
            elif more := os.read(reading, 65536):
                said, waited, before = said + more, 0.0, _processor_time(process)
                continue
            else:
                yield first, 0.0, "died"
            first += 1
            break
        os.close(reading)
        os.waitpid(process, 0)


def main() -> int:
    """Prints a line for each finding, then the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print the mutants instead")
    options = parser.parse_args()
    if options.show:
        for number in range(options.first, options.first + options.count):
            content, changes = mutant(number)
            print(content.decode(errors="backslashreplace"), changes)
        return 0
    os.mkfifo(PIPE)
    load_dataset("digits")
    resolve_recipe({})
    for name in shipped_suites():
        load_suite(name)
    counts: Counter[str] = Counter()
    slowest = (0.0, -1)
    for number, seconds, found in watched(options.first, options.first + options.count):
        known = found in ("planned", "valid", "refused")
        counts[found if known else "finding"] += 1
        slowest = max(slowest, (seconds, number))
        if not known:
            print(f"{number}: {seconds:.3f} s: {found}", flush=True)
        if (number + 1) % 1000 == 0:
            print(f"after {number}: {dict(counts)}", flush=True)
    last = options.first + options.count - 1
    print(f"{options.first} to {last}: {dict(counts)}; slowest {slowest[0]:.3f} s ({slowest[1]})")
    return 1 if counts["finding"] else 0


if __name__ == "__main__":
    sys.exit(main())
