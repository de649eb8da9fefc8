"""Ways to damage a file: blind ones over bytes, and ones that know the format and stay well-formed outside."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)

NESTED = "[" * 5000 + "]" * 5000
TOKENS = (
    *("null", "true", "-1", "0", "1.5", "1e999", "-1e999", "NaN", '""', "[]", "{}", "[[]]", '[{"a": 1}]', '"\\ud800"'),
    *(str(1 << 63), "1" * 400, "9" * 5000, NESTED, '"' + "x" * 10_000 + '"', '"\\u0000"', '"../x"', '"1"', "1e-320"),
)
"""JSON of values that a field is not made for."""


def blind(data: bytes, random: Random) -> bytes:
    """Bits flipped, bytes overwritten, cut, repeated or moved; one time in two near the ends, where headers are."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        _damage(found, random)
    return bytes(found)


def _damage(found: bytearray, random: Random) -> None:
    size = max(1, len(found))
    where = random.randrange(size)
    if random.random() < 0.5:
        where = random.choice((random.randrange(min(size, 128)), size - 1 - random.randrange(min(size, 512))))
    length = random.choice((1, 2, 4, 8, 64, size // 4 + 1))
    kind = random.randrange(7)
    if kind == 0 and found:
        found[where] ^= 1 << random.randrange(8)
    elif kind == 1:
        found[where : where + 1] = bytes([random.choice((0, 0xFF, 0x7F, 0x80, random.randrange(256)))])
    elif kind == 2:
        del found[where:]
    elif kind == 3:
        del found[where : where + length]
    elif kind == 4:
        found[where:where] = found[where : where + length]
    elif kind == 5:
        other = random.randrange(size)
        found[where : where + length] = found[other : other + length]
    else:
        width, order = random.choice((2, 4, 8)), random.choice("<>")
        number = random.choice(NUMBERS) & ((1 << 8 * width) - 1)
        found[where : where + width] = struct.pack(order + {2: "H", 4: "I", 8: "Q"}[width], number)


def of_json(data: bytes, random: Random) -> bytes:
    """One to three values of a JSON document are replaced, lost, renamed or moved."""
    if random.random() < 0.3:
        return blind(data, random)
    found = json.loads(data)
    marks: dict[str, str] = {}
    for _ in range(random.choice((1, 1, 2, 3))):
        found = _changed(found, random, marks)
    text = json.dumps(found)
    for mark, token in marks.items():
        text = text.replace(json.dumps(mark), token)
    return text.encode()


def _changed(whole: Any, random: Random, marks: dict[str, str]) -> Any:
    parent: Any = None
    key: Any = None
    node = whole
    while isinstance(node, dict | list) and node and (parent is None or random.random() < 0.8):
        parent, key = node, random.choice(list(node) if isinstance(node, dict) else range(len(node)))
        node = node[key]
    mark = f"\0mark {len(marks)}"
    marks[mark] = random.choice(TOKENS)
    if parent is None:
        return mark
    kind = random.randrange(5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[random.choice(("x", "", "key", "schema_version", str(key) + " "))] = parent.pop(key)
    elif kind == 2 and isinstance(parent, list):
        parent.append(node)
    else:
        parent[key] = mark
    return whole


def of_lines(data: bytes, random: Random) -> bytes:
    """JSON lines: one line is changed, lost, doubled, or no longer an object."""
    if random.random() < 0.3:
        return blind(data, random)
    lines = data.splitlines()
    where = random.randrange(len(lines))
    kind = random.randrange(6)
    if kind == 0:
        del lines[where]
    elif kind == 1:
        lines.insert(where, random.choice(lines))
    elif kind == 2:
        lines[where] = random.choice(TOKENS).encode()
    else:
        lines[where] = of_json(lines[where], random)
    return b"\n".join(lines) + b"\n"


def of_safetensors(data: bytes, random: Random) -> bytes:
    """The header's JSON is changed and its length made to fit, one level down in our own entry too."""
    if random.random() < 0.4:
        return blind(data, random)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    if random.random() < 0.5 and "__metadata__" in header:
        ours = header["__metadata__"]
        ours["robustbench_snn"] = of_json(ours["robustbench_snn"].encode(), random).decode(errors="replace")
        text = json.dumps(header).encode()
    else:
        text = of_json(json.dumps(header).encode(), random)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def inside_zip(change: Callable[[str, bytes, Random], bytes]) -> Mutation:
    """One member is changed and packed again with the right checksum; or the zip itself is damaged."""

    def mutation(data: bytes, random: Random) -> bytes:
        if random.random() < 0.3:
            return blind(data, random)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(entry, archive.read(entry)) for entry in archive.infolist()]
        chosen = random.randrange(len(members))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for index, (entry, content) in enumerate(members):
                archive.writestr(entry, change(entry.filename, content, random) if index == chosen else content)
        return packed.getvalue()

    return mutation


def inside_gzip(data: bytes, random: Random) -> bytes:
    """What was packed is changed and packed again; or the packed bytes are damaged."""
    if random.random() < 0.3:
        return blind(data, random)
    return gzip.compress(blind(gzip.decompress(data), random), 1)


def of_png(data: bytes, random: Random) -> bytes:
    """A chunk is damaged and its checksum made to fit; other images are damaged blindly."""
    if not data.startswith(b"\x89PNG") or random.random() < 0.3:
        return blind(data, random)
    chunks, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append([data[place + 4 : place + 8], data[place + 8 : place + 8 + length]])
        place += 12 + length
    chosen = random.choice(chunks)
    chosen[1] = blind(chosen[1], random)
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return data[:8] + b"".join(packed)


def of_parquet(data: bytes, random: Random) -> bytes:
    """A column gets another type or name, other values or holes, or is lost; or the file is damaged blindly."""
    if random.random() < 0.6:
        return blind(data, random)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    where = random.randrange(table.num_columns)
    name, rows = table.column_names[where], table.num_rows
    kind = random.randrange(8)
    if kind == 0:
        table = table.remove_column(where)
    elif kind == 1:
        table = table.rename_columns([*table.column_names[:where], "other", *table.column_names[where + 1 :]])
    elif kind == 2:
        table = table.slice(0, random.randrange(rows + 1))
    elif kind == 3:
        table = pa.concat_tables([table, table])
    elif kind == 4:
        table = table.append_column(name, table.column(where))
    else:
        values: list[Any] = table.column(where).to_pylist()
        other = random.choice((-1, 10**12, (1 << 63) - 1, 0.5, float("nan"), "x", b"x", None, [1], {"bytes": b"x"}))
        values = [other] * rows if kind > 5 or not rows else _with_one(values, other, random)
        try:
            table = table.set_column(where, name, pa.array(values))
        except (pa.ArrowException, OverflowError):  # not of one type with the rest
            table = table.set_column(where, name, pa.array([other] * rows))
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def _with_one(values: list[Any], other: Any, random: Random) -> list[Any]:
    values[random.randrange(len(values))] = other
    return values
