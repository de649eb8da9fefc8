"""Withdrawing a published version: its folder stays as it is, and a note beside it says why it no longer counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.versions import RESTORE, Version, versions
from robustbench_snn.store.claims import locked
from robustbench_snn.store.durable import write_text
from robustbench_snn.store.os_errors import unreadable, writing
from robustbench_snn.strict import Strict

FILE = "withdrawn.json"


class Withdrawal(Strict):
    """Why a version no longer counts.

    Attributes:
        reason: for readers of the table.
        date: UTC, ISO 8601.
        superseded_by: the version to read instead; None if there is none yet.
    """

    reason: str = Field(min_length=1)
    date: str
    superseded_by: str | None = None

    def told(self) -> str:
        """One sentence for readers of the table."""
        instead = f"; read {self.superseded_by} instead" if self.superseded_by else ""
        return f"{self.reason.rstrip('.')}{instead} ({self.date[:10]})"


_NOTES: TypeAdapter[dict[str, Withdrawal]] = TypeAdapter(dict[str, Withdrawal])


def withdrawals(results: Path, table: str) -> Mapping[str, Withdrawal]:
    """The withdrawn versions of a table, by ``v<major>.<minor>``.

    Raises:
        StoreError: if the note is damaged.
    """
    path = results / table / FILE
    try:
        return _NOTES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise unreadable(path, error, RESTORE) from None


def withdraw(results: Path, table: str, version: Version, reason: str, superseded_by: str | None = None) -> Path:
    """Notes that a version is withdrawn; its files are not touched. Saying it again replaces the note.

    Returns:
        The table's file of notes.

    Raises:
        UserError: if the table has no such version, or no reason is given.
        StoreWriteError: if it cannot be written.
    """
    known = versions(results, table)
    if version not in known:
        raise UserError(f"table '{table}' has no version {version}; there are {', '.join(map(str, known)) or 'none'}")
    if not reason.strip():
        raise UserError("a withdrawal needs a reason, for the readers of the table")
    path = results / table / FILE
    note = Withdrawal(reason=reason.strip(), date=datetime.now(UTC).isoformat(), superseded_by=superseded_by)
    with locked(results / table, "changing"), writing(path, "--results"):
        notes = {**withdrawals(results, table), str(version): note}
        write_text(path, _NOTES.dump_json(dict(sorted(notes.items())), indent=1).decode() + "\n")
    return path
