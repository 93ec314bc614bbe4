"""The documentation as a site: its search runs from disk, and nothing comes from elsewhere."""

import shutil
from pathlib import Path

import pytest

import metaseg_tf

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(metaseg_tf.__file__).parents[1]
SHIM = ROOT / "docs" / "javascripts" / "iframe-worker.js"
#: As the theme's search does: it is told what to index, answers, and is asked again.
PAGE = """<!doctype html><title>none</title><script src="iframe-worker.js"></script><body><script>
    const worker = new Worker("worker.js"), answers = [];
    worker.addEventListener("message", (event) => {
        answers.push(event.data.found);
        document.title = answers.join(" ");
    });
    worker.postMessage({words: ["entropy", "interior", "iou"]});
    worker.postMessage({query: "i"});
</script>"""
WORKER = """let words;
    addEventListener("message", ({data}) => {
        words = data.words || words;
        postMessage({found: words.filter((word) => word.startsWith(data.query || "")).length});
    });"""


def test_a_worker_runs_from_disk(tmp_path):
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.skip("no browser is installed")
    shutil.copy(SHIM, tmp_path)
    (tmp_path / "worker.js").write_text(WORKER)
    (tmp_path / "index.html").write_text(PAGE)
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        page = browser.new_page()
        page.goto((tmp_path / "index.html").as_uri())
        page.wait_for_function("document.title === '3 2'")
        browser.close()


def test_the_theme_takes_the_worker_from_the_site():
    """Its plugin takes one from elsewhere unless a file of that name is listed."""
    settings = (ROOT / "mkdocs.yml").read_text()
    assert f"polyfills: [{SHIM.relative_to(ROOT / 'docs')}]" in settings
    assert "iframe-worker" in SHIM.name
    assert "  - search\n  - offline\n" in settings
    assert "font: false" in settings
