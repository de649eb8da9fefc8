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

from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files

ROOT = Path(__file__).resolve().parents[2]
TO = ROOT / "docs/figures/site"
TABLE = "quickstart/v3.0"
SHOTS = {
    "index": ("index.html", 1280, 480, "light"),
    "table": (f"{TABLE}/index.html", 1280, 900, "light"),
    "figures": (f"{TABLE}/index.html", 1280, 900, "light"),
    "dark": (f"{TABLE}/index.html", 1280, 900, "dark"),
    "phone": (f"{TABLE}/index.html", 390, 780, "light"),
    "entry": (f"{TABLE}/entries/direct.html", 1280, 900, "light"),
}
"""Page, width, height and colour scheme of each picture."""


def main() -> None:
    """Writes the site to a scratch folder, and its pictures to docs/figures/site."""
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser_path is None:
        sys.exit("chromium is not installed: apt-get install chromium, or CHROMIUM=/path/to/it")
    TO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        site = Path(scratch) / "site"
        write_files(dict(site_files(ROOT / "results")), site)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name in SHOTS:
            _shoot(browser, site, name)
        browser.close()


def _shoot(browser: Browser, site: Path, name: str) -> None:
    page_name, width, height, scheme = SHOTS[name]
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto((site / page_name).as_uri())
    if name == "figures":
        page.get_by_role("heading", name="Figures").evaluate("heading => heading.scrollIntoView()")
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
