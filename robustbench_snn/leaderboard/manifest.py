"""What a published version consists of, and which version it follows: ``manifest.json``.

A manifest has the sha256 of every file of its version, and that of the manifest of the version before. Whoever knows
the hash of the newest manifest can so tell whether any version before it was changed. Versions published before
there were manifests have none; the chain then begins with the hash of the table of the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

import robustbench_snn
from robustbench_snn.digests import file_digest
from robustbench_snn.leaderboard.versions import RESTORE, Version, parse_version
from robustbench_snn.machine import git_state
from robustbench_snn.store.durable import write_text
from robustbench_snn.store.os_errors import unreadable
from robustbench_snn.strict import Strict

FILE = "manifest.json"


class Previous(Strict):
    """The version that another one follows.

    Attributes:
        version: ``v<major>.<minor>``.
        file: of that version; its manifest, or ``table.json`` where it has none.
        sha256: of that file.
    """

    version: str
    file: str
    sha256: str


class Manifest(Strict):
    """What a version consists of.

    Attributes:
        schema_version: of this format.
        table: name of the table.
        version: ``v<major>.<minor>``, or ``draft``.
        program: version of robustbench_snn that wrote it.
        git_commit: of the program, where it ran from a checkout.
        git_dirty: whether the program's files had changes.
        files: sha256 by name of all files beside this one.
        previous: the version before; None for the first.
    """

    schema_version: int = 1
    table: str
    version: str
    program: str
    git_commit: str | None
    git_dirty: bool | None
    files: Mapping[str, str]
    previous: Previous | None


def write_manifest(folder: Path, table: str, version: str, before: Path | None) -> None:
    """Writes the manifest of a folder whose other files are all there.

    Args:
        folder: of the version.
        table: name of the table.
        version: ``v<major>.<minor>``, or ``draft``.
        before: folder of the version before.
    """
    commit, dirty = git_state()
    manifest = Manifest(
        table=table,
        version=version,
        program=robustbench_snn.__version__,
        git_commit=commit,
        git_dirty=dirty,
        files=file_hashes(folder),
        previous=None if before is None else link_to(before),
    )
    write_text(folder / FILE, manifest.model_dump_json(indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a version; None where it was published before there were any.

    Raises:
        StoreError: if it is damaged.
    """
    path = folder / FILE
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise unreadable(path, error, RESTORE) from None


def file_hashes(folder: Path) -> dict[str, str]:
    """sha256 of all files of a version but its manifest, by their path in it."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: file_digest(path) for name, path in files.items() if name != FILE}


def version_of(folder: Path) -> Version | None:
    """The number of the version in a folder, by its manifest or else by its name; None for a draft."""
    manifest = read_manifest(folder)
    return parse_version(folder.name if manifest is None else manifest.version)


def link_to(before: Path) -> Previous:
    """How a version names the one in this folder, which it follows."""
    file = FILE if (before / FILE).is_file() else "table.json"
    return Previous(version=before.name, file=file, sha256=file_digest(before / file))


def version_before(known: list[Version], version: Version) -> Version | None:
    """The version that another follows: the greatest of the lower ones."""
    return max((found for found in known if found < version), default=None)
