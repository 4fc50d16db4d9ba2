"""A served installation and a Chromium to look at it with; pages are judged for errors, foreign requests and axe."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright

from app import main
from tests.support.installation import PASSWORD, Installation, Person, installed

FLAGS = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@dataclass(kw_only=True)
class Served:
    """An installation behind its own server."""

    installation: Installation
    url: str


@dataclass(kw_only=True)
class Looked:
    """What a page did while somebody looked at it."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("load")

    def sign_in(self, person: Person, installation: Installation) -> None:
        """Sign in on the pages, by typing."""
        self.go("/sign-in")
        self.page.fill("#address", person.address)
        self.page.fill("#password", PASSWORD)
        self.page.click("button.main")
        if person.secret is not None:
            self.page.fill("#code", installation.code(person.secret))
            self.page.click("button.main")
        self.page.wait_for_load_state("load")

    def axe(self) -> list[str]:
        """Return what axe-core finds, as rule and first place."""
        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve an installation on a free loopback port, without its worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with installed(folder, port=port) as made:
        server = main.serve(made.app, made.system)
        thread = threading.Thread(target=lambda: _run(server), daemon=True)
        thread.start()
        yield Served(installation=made, url=f"http://localhost:{port}")
        server.close()
        thread.join(5)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Start Chromium, or skip naming it."""
    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        pytest.skip("Chromium is not installed")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *root])
        yield browser
        browser.close()


@contextmanager
def looking(
    browser: Chromium, url: str, *, size: dict[str, int] = WIDE, scheme: str = "light", scripts: bool = True
) -> Iterator[Looked]:
    """Open a window; console errors, failed answers and requests to anybody else are kept in `wrong`."""
    context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=scripts)
    page = context.new_page()
    looked = Looked(page=page, url=url)
    page.on("console", lambda message: message.type == "error" and looked.wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: looked.wrong.append(f"error: {error}"))
    page.on("request", lambda request: _check(request, url, looked.wrong))
    yield looked
    context.close()


def _check(request: Any, url: str, wrong: list[str]) -> None:
    if not request.url.startswith((url, "data:", "blob:")):
        wrong.append(f"foreign: {request.url}")


def _run(server: Any) -> None:
    with suppress(OSError):
        server.run()
