"""Screenshots of the site of the published tables, as docs/publishing.md shows them.

    python docs/scripts/site_screenshots.py

Needs playwright beside the package, and Debian's chromium (another browser: CHROMIUM=/path/to/it).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files
from robustbench_snn.spec.files import parse_suite

ROOT = Path(__file__).resolve().parents[2]
TO = ROOT / "docs/figures/site"
TABLE = "site/quickstart/v5.0"
SHOTS = {
    "index": ("site/index.html", 1280, 480, "light"),
    "table": (f"{TABLE}/index.html", 1280, 900, "light"),
    "figures": (f"{TABLE}/index.html", 1280, 900, "light"),
    "dark": (f"{TABLE}/index.html", 1280, 900, "dark"),
    "phone": (f"{TABLE}/index.html", 390, 780, "light"),
    "entry": (f"{TABLE}/entries/direct.html", 1280, 900, "light"),
    "photographs": ("site/cifar10-stochastic/v1.2/index.html", 1280, 980, "light"),
    "reported": ("example/example/v1.0/index.html", 1280, 780, "light"),
    "spikes": ("example/example/v1.0/entries/direct.html", 1280, 640, "light"),
}
"""Page, width, height and colour scheme of each picture."""

EXAMPLE = {
    "name": "example",
    "dataset": {"name": "digits", "limit": 50},
    "timesteps": 4,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 6, "batch_size": 32},
    "models": [{"name": "direct", "encoder": "direct"}],
    "evaluations": ["clean"],
    "table": {"weights": True, "reported": ["tdformer"]},
}
"""A table with what the published ones lack: weights, and numbers of papers."""


def main() -> None:
    """Writes the site to a scratch folder, and its pictures to docs/figures/site."""
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser_path is None:
        sys.exit("chromium is not installed: apt-get install chromium, or CHROMIUM=/path/to/it")
    TO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        suite = parse_suite(EXAMPLE)
        plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
        run_plan(plan, Path(scratch) / "runs", Path(scratch) / "results", RunSettings(), mode="publish")
        for site, results in (("site", ROOT / "results"), ("example", Path(scratch) / "results")):
            write_files(dict(site_files(results)), Path(scratch) / site)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name in SHOTS:
            _shoot(browser, Path(scratch), name)
        browser.close()


def _shoot(browser: Browser, sites: Path, name: str) -> None:
    page_name, width, height, scheme = SHOTS[name]
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto((sites / page_name).as_uri())
    if name == "figures":
        page.get_by_role("heading", name="Figures").evaluate("heading => heading.scrollIntoView()")
    if name in ("reported", "spikes"):
        page.locator(".reported" if name == "reported" else "figure:has(.layers)").evaluate(
            "part => part.scrollIntoView()"
        )
    if name == "phone":
        page.locator("#table").evaluate("heading => heading.scrollIntoView()")
        page.locator(".tall").evaluate("region => { region.scrollLeft = 160; }")
    path = TO / f"{name}.png"
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    page.close()
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
