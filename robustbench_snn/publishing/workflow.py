"""The workflow that publishes the site on GitHub Pages."""

from __future__ import annotations

from pathlib import Path

from robustbench_snn.errors import UserError

WORKFLOW = Path(".github/workflows/pages.yml")
_TEMPLATE = Path(__file__).resolve().parent / "templates" / "pages.yml"
_FIRST_WORDS = "# Written by `rbsnn publish"


def workflow_text(results: Path) -> str:
    """The workflow for these results.

    Args:
        results: folder of the published tables, within the repository.

    Raises:
        UserError: if the folder lies outside, where no checkout on GitHub has it, or its name has strange characters.
    """
    name = results.as_posix()
    if results.is_absolute() or ".." in results.parts or not all(c.isalnum() or c in "-_./" for c in name):
        raise UserError(f"a workflow needs the results as a plain path within the repository, not {results}")
    return _TEMPLATE.read_text(encoding="utf-8").replace("RESULTS", name)


def write_workflow(text: str, path: Path) -> None:
    """Writes it, but never over a workflow that was made by hand.

    Raises:
        UserError: if there is one, or the file cannot be written.
    """
    try:
        if path.is_file() and not path.read_text(encoding="utf-8").startswith(_FIRST_WORDS):
            raise UserError(f"{path} is there already, and not from rbsnn publish; move it away first")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
