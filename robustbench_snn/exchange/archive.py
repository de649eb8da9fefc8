"""Zip files from strangers, unpacked without trust: only files of known names, plain, few and of bounded size.

Nothing in such a file is executed or unpickled: it holds JSON, Parquet and safetensors. Its directory is measured
before it is read, since a directory of a million entries is an attack by itself.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.store.durable import replacing
from robustbench_snn.store.os_errors import told

MOST_ENTRIES = 1000
MOST_DIRECTORY = 1 << 20
"""Bytes of the zip's own directory."""
MOST_BYTES = 3 << 30
"""Bytes of all files together, unpacked."""

FILES: Mapping[str, int] = {
    r"manifest\.json": 1 << 20,
    r"table\.json": 16 << 20,
    r"records\.jsonl": 32 << 20,
    r"samples\.parquet": 256 << 20,
    r"weights/[0-9a-f]{64}\.safetensors": 2 << 30,
}
"""Most bytes of each file that may be there, by its name."""

_END = struct.Struct("<4s4H2LH")
_CHUNK = 1 << 20


def unpack(file: Path, folder: Path) -> None:
    """Unpacks a submission.

    Args:
        file: the zip file.
        folder: empty, where the files are written.

    Raises:
        UserError: if it is no zip file, or holds anything but a submission's files; ``folder`` may hold some then.
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            for entry in entries:
                _check_entry(entry)
            if len({entry.filename for entry in entries}) < len(entries):
                raise UserError(f"{file} holds a file twice")
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise UserError(f"{file} unpacks to more than {MOST_BYTES >> 30} GiB")
            for entry in entries:
                _write(archive, entry, folder / entry.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UserError(f"{file} is damaged, or no zip file: {error}") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be unpacked: {told(error)}") from None


def pack(folder: Path, file: Path) -> None:
    """Packs the files of a submission, in order and without times, so that the same files give the same zip.

    Raises:
        StoreError: if the file cannot be written.
    """
    try:
        with replacing(file) as scratch, zipfile.ZipFile(scratch, "w") as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    entry.compress_type = _packing(path.name)
                    with path.open("rb") as source, archive.open(entry, "w") as target:
                        while chunk := source.read(_CHUNK):
                            target.write(chunk)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {told(error)}") from None


def _packing(name: str) -> int:
    """Text is deflated; nothing else, so that few bytes cannot unpack to many."""
    return zipfile.ZIP_DEFLATED if name.endswith((".json", ".jsonl")) else zipfile.ZIP_STORED


def _check_directory(file: Path) -> None:
    """Measures the directory of a zip before it is read; ours have no comment, and need no 64-bit one."""
    with file.open("rb") as content:
        size = content.seek(0, 2)
        if size < _END.size:
            raise UserError(f"{file} is no zip file")
        content.seek(max(0, size - _END.size - 20))
        tail = content.read()
    mark, disk, start, here, entries, length, offset, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\5\6" or comment or disk or start or here != entries:
        raise UserError(f"{file} is no zip file that rbsnn submit wrote: it does not end as one")
    if tail[: -_END.size].startswith(b"PK\6\7") or 0xFFFF in (here, entries) or 0xFFFFFFFF in (length, offset):
        raise UserError(f"{file} has a 64-bit directory; no submission needs one")
    if entries > MOST_ENTRIES or length > MOST_DIRECTORY:
        raise UserError(f"{file} has {entries} entries in {length} bytes; a submission has {MOST_ENTRIES} at most")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    most = next((most for pattern, most in FILES.items() if re.fullmatch(pattern, name)), None)
    if most is None:
        raise UserError(f"{name[:100]!r} is no file of a submission")
    if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1:
        raise UserError(f"{name} is no plain file")
    if entry.compress_type not in (zipfile.ZIP_STORED, _packing(name)):
        raise UserError(f"{name} is packed in a way that rbsnn submit does not use")
    if entry.file_size > most:
        raise UserError(f"{name} unpacks to {entry.file_size} bytes, more than {most}")


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """Writes one file; whatever it says of its size, no more than that is unpacked."""
    path.parent.mkdir(exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise UserError(f"{entry.filename} is larger than it says")
            target.write(chunk)
