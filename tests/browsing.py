"""A real browser for the report: Chromium through playwright, where both are installed."""

import shutil
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
]
WIDE, PHONE = {"width": 1300, "height": 900}, {"width": 390, "height": 800}


@contextmanager
def launched():
    """The browser; skips the test where it, or playwright, is not installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(BROWSERS)})")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, viewport=WIDE, *, link="", script="", **options):
    """A page opened from disk, at a link, and the list of what it says on the console.

    Each has a storage of its own; ``script`` runs before those of the page.
    """
    page, said = browser.new_page(viewport=viewport, **options), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(request.url))
    page.add_init_script(
        "window.violations = []; document.addEventListener('securitypolicyviolation',"
        " event => violations.push("
        "[event.effectiveDirective, event.blockedURI.split('/').slice(0, 3).join('/')]));"
    )
    page.add_init_script(script)
    # Longer than any page takes, but for a machine that others keep busy.
    page.goto(path.as_uri() + link, timeout=120_000)
    settle(page)
    yield page, said
    page.close()


def wait_until(page, condition):
    """As `page.wait_for_function`, whose own code the page's policy may refuse."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{condition}: not within 10 s")


def settle(page):
    page.evaluate("Promise.all([metaseg.explorer.ready, metaseg.scatter.ready])")
    page.evaluate("metaseg.explorer.painted()")
