"""A real browser without a window: what a page says after its scripts have run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--window-size=1400,1000",
)  # fmt: skip


def rendered_text(url: str) -> str:
    """The text of the page at ``url``, as a person sees it once it has loaded its data."""
    with tempfile.TemporaryDirectory(prefix="hpotool-browser-") as profile:
        answer = subprocess.run(
            [_browser(), *_QUIET, "--virtual-time-budget=15000", f"--user-data-dir={profile}", "--dump-dom", url],
            env=os.environ | {"HOME": profile}, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    page = _Text()
    page.feed(answer.stdout)
    return " ".join(page.words)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The same browser, to press keys and buttons in and to look at while it stays open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_browser(), args=list(_QUIET))
        yield browser
        browser.close()


def _browser() -> str:
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    pytest.fail("this test needs a real browser: apt-get install chromium (make test does so for root on Debian)")


class _Text(HTMLParser):
    """Collects text, leaving out scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.extend(data.split())
