"""The page in a real browser: Chromium through playwright, where both are installed."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from mapped_runs import make_run

from metaseg_tf.report import overview
from metaseg_tf.report.explorer import choose_images, judge_run
from metaseg_tf.report.page import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

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
wide_and_narrow = pytest.mark.parametrize(
    "page", [WIDE, PHONE], indirect=True, ids=["wide", "phone"]
)
#: A name that a file or folder may have, and which runs a script where it is read as HTML.
HOSTILE = "\"'><i><script>harm = 1<!-- <img src=x onerror='harm = 1'>"
ELSEWHERE = "http://127.0.0.1:9"
#: HTML that the policy must refuse, its directive, and what the browser says was blocked.
HARM = [
    ("<script>window.harm = 1</script>", "script-src-elem", "inline"),
    ("<a href='javascript:void(window.harm = 1)'>a</a>", "script-src-elem", "inline"),
    ("<b onclick='window.harm = 1'>b</b>", "script-src-attr", "inline"),
    ("<script src='data:,window.harm = 1'></script>", "script-src-elem", "data"),
    (f"<script src='{ELSEWHERE}/a'></script>", "script-src-elem", ELSEWHERE),
    ("<style>body { display: none }</style>", "style-src-elem", "inline"),
    ("<b style='position: fixed'>b</b>", "style-src-attr", "inline"),
    (f"<link rel=stylesheet href='{ELSEWHERE}/a'>", "style-src-elem", ELSEWHERE),
    (f"<img src='{ELSEWHERE}/a'>", "img-src", ELSEWHERE),
    (f"<video src='{ELSEWHERE}/a'></video>", "media-src", ELSEWHERE),
    (f"<iframe src='{ELSEWHERE}/a'></iframe>", "frame-src", ELSEWHERE),
    (f"<object data='{ELSEWHERE}/a'></object>", "object-src", ELSEWHERE),
    (f"<form action='{ELSEWHERE}/a'></form>", "form-action", ELSEWHERE),
    (f"<base href='{ELSEWHERE}/a'>", "base-uri", ELSEWHERE),
]
LAYERS = ["image", "prediction", "truth", "entropy", "difference", "true", "predicted", "false"]


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(BROWSERS)})")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


@contextmanager
def opened(browser, path, viewport=WIDE):
    """A page opened from disk, and the list of what it says on the console."""
    page, said = browser.new_page(viewport=viewport), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(request.url))
    page.add_init_script(
        "window.violations = []; document.addEventListener('securitypolicyviolation',"
        " event => violations.push("
        "[event.effectiveDirective, event.blockedURI.split('/').slice(0, 3).join('/')]));"
    )
    page.goto(path.as_uri())
    settle(page)
    yield page, said
    page.close()


@pytest.fixture
def page(request, browser, page_path):
    """The page; whatever it says on the console, refusals by its policy too, fails the test."""
    with opened(browser, page_path, getattr(request, "param", WIDE)) as (page, said):
        yield page
        settle(page)
        assert said == []


@pytest.mark.parametrize(("html", "directive", "blocked"), HARM)
def test_only_the_page_s_own_files_are_run_or_loaded(
    browser, page_path, tmp_path, html, directive, blocked
):
    """Whatever text might slip into the page: no script, style or image of elsewhere."""
    folder = shutil.copytree(page_path.parent, tmp_path / "report")
    harmed = folder / "index.html"
    harmed.write_text(harmed.read_text().replace("</main>", f"<div id=slip>{html}</div></main>"))
    with opened(browser, harmed) as (page, _):
        page.locator("#slip > *").first.evaluate("e => e.matches('form') ? e.submit() : e.click()")
        wait_until(page, "violations.length > 0")
        assert page.evaluate("violations") == [[directive, blocked]]
        assert page.evaluate("window.harm === undefined")
        assert page.locator("#glance").is_visible()
        assert page.evaluate("document.baseURI") == harmed.as_uri()


def wait_until(page, condition):
    """As `page.wait_for_function`, whose own code the page's policy may refuse."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{condition}: not within 10 s")


def test_names_from_files_are_never_read_as_html(browser, tmp_path, monkeypatch):
    """Of runs, images, settings and what was passed over: text, without help of the policy."""
    monkeypatch.setattr(overview, "FIGURES", {})
    run = make_run(tmp_path / HOSTILE, range(2), keep=2, name=HOSTILE)
    run.manifest.settings["source"] = HOSTILE
    run.manifest.failed[HOSTILE] = HOSTILE
    with opened(browser, write_report([run])) as (page, said):
        page.select_option("#scope", "run")
        page.locator("#list tbody button").first.click()
        page.locator("#points").focus()
        page.keyboard.press("ArrowRight")
        settle(page)
        for place in ("title", "#glance", "#run", "#image", "#list", "#point", "#runs"):
            assert HOSTILE in page.locator(place).first.text_content(), place
        assert page.locator("i, script:not([src]), [onerror]").count() == 0
        assert page.evaluate("window.harm === undefined")
        assert said == []


@pytest.fixture(scope="module")
def table(runs):
    """The judged segments of the image that the page shows first."""
    judged = [judge_run(run) for run in runs]
    ours = judged[0].table
    return ours[ours["image"] == choose_images(judged, 1)[0][0]].set_index("segment")


@pytest.fixture(scope="module")
def segments(runs, table):
    return runs[0].load_maps(table["image"].iloc[0]).segments


def settle(page):
    page.evaluate("Promise.all([metaseg.explorer.ready, metaseg.scatter.ready])")
    page.evaluate("metaseg.explorer.painted()")


def set_slider(page, name, value):
    page.evaluate(
        "([name, value]) => { const s = document.getElementById(name); s.value = value;"
        " s.dispatchEvent(new Event('input')); }",
        [name, str(value)],
    )
    settle(page)


def overlay_colours(page):
    """Number of different colours on the overlay, and of its pixels that are transparent."""
    return page.evaluate(
        "() => { const c = document.getElementById('overlay');"
        " const p = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.buffer); return [new Set(p).size, p.filter(v => v === 0).length]; }"
    )


def point_at(page, segments, number):
    """Move the pointer over a pixel of a segment."""
    rows, columns = np.nonzero(segments == number)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#outline").bounding_box()
    height, width = segments.shape
    page.mouse.move(
        box["x"] + (columns[middle] + 0.5) / width * box["width"],
        box["y"] + (rows[middle] + 0.5) / height * box["height"],
    )


def told(page):
    """What the details say: the segment's number and the numbers beside its name."""
    details = page.locator("#details")
    values = [float(text) for text in details.locator(".bar b").all_inner_texts()]
    return int(details.get_attribute("data-segment")), values


@wide_and_narrow
def test_the_page_fits_the_screen(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("h1").inner_text() == "Which segments can be trusted?"


def test_every_layer_can_be_shown(page):
    assert page.locator("#layers input").evaluate_all("all => all.map(i => i.value)") == LAYERS
    pictures = set()
    for layer in LAYERS:
        page.locator(f"#layers input[value={layer}]").check()
        settle(page)
        assert page.locator("#overlay").get_attribute("data-layer") == layer or layer == "image"
        pictures.add(page.locator("#stage").screenshot())
    assert len(pictures) == len(LAYERS)


def test_the_prediction_shows_a_colour_for_each_class(page, table):
    page.locator("#layers input[value=prediction]").check()
    settle(page)
    assert overlay_colours(page)[0] == table["class_id"].nunique() + 1
    assert page.locator("#legend .swatch").count() == table["class_id"].nunique()


def test_opacity_lets_the_photograph_through(page):
    set_slider(page, "opacity", 0.25)
    assert page.locator("#overlay").evaluate("o => getComputedStyle(o).opacity") == "0.25"
    assert page.locator("#opacity-value").inner_text() == "0.25"


@wide_and_narrow
def test_the_pointer_tells_the_row_of_the_table(page, table, segments):
    for number in table.nlargest(4, "S").index:
        point_at(page, segments, number)
        shown, values = told(page)
        row = table.loc[number]
        assert shown == number
        assert values == pytest.approx(row[["iou_adj_predicted", "iou_adj", "iou"]], abs=0.006)
        for metric in ("E_in", "D_rel", "S_bd"):
            text = page.locator(f"#details [data-metric={metric}]").inner_text()
            assert float(text) == pytest.approx(row[metric], abs=6e-4)
    page.mouse.move(1, 1)
    assert page.locator("#details").get_attribute("data-segment") == ""


def test_a_click_holds_a_segment(page, table, segments):
    number = table["S"].idxmax()
    point_at(page, segments, number)
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(1, 1)
    assert told(page)[0] == number


@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_the_threshold_hides_segments_judged_better(page, table, segments, threshold):
    set_slider(page, "threshold", threshold)
    judged = table["iou_adj_predicted"].round(4)
    expected = table.index[~(judged > threshold)]
    assert page.evaluate("metaseg.explorer.visible().map(s => s.segment)") == expected.tolist()
    assert page.locator("#status").inner_text().startswith(f"{len(expected)} of {len(table)} ")
    hidden = np.count_nonzero(~np.isin(segments, expected))
    assert overlay_colours(page)[1] == hidden
    number = table.index[judged > threshold][0]
    point_at(page, segments, number)
    assert page.locator("#details").get_attribute("data-segment") == ""


def test_the_threshold_masks_pictures_too(page):
    page.locator("#layers input[value=entropy]").check()
    set_slider(page, "threshold", 1)
    whole = page.locator("#stage").screenshot()
    set_slider(page, "threshold", 0.3)
    assert page.locator("#stage").screenshot() != whole


@wide_and_narrow
def test_the_list_shows_the_worst_first_and_jumps(page, table):
    judged = table.sort_values("iou_adj_predicted")
    rows = page.locator("#list tbody tr")
    assert rows.count() == min(len(judged), 100)
    worst = float(rows.nth(0).locator("td").nth(3).inner_text())
    assert worst == pytest.approx(judged["iou_adj_predicted"].iloc[0], abs=0.006)
    number = int(rows.nth(1).get_attribute("data-segment"))
    rows.nth(1).locator("button").click()
    assert told(page)[0] == number
    assert "chosen" in rows.nth(1).get_attribute("class")


def test_a_jump_shows_a_small_segment_large(page, table):
    page.check("#interior")
    page.select_option("#order", "size")
    page.locator("#list tbody tr").last.locator("button").click()
    assert told(page)[0] in table[table["S_in"] > 0].nsmallest(20, "S").index
    assert page.locator("#stage").evaluate("s => s.classList.contains('zoomed')")


def test_the_list_is_filtered_by_class_and_sorted(page, table):
    class_id = int(table["class_id"].mode()[0])
    page.select_option("#class", str(class_id))
    page.select_option("#order", "size")
    wanted = table[table["class_id"] == class_id]
    pixels = page.locator("#list tbody td:nth-child(8)").all_inner_texts()
    assert list(map(int, pixels)) == sorted(wanted["S"], reverse=True)


def test_the_list_of_all_images_leads_to_another_image(page):
    page.select_option("#scope", "run")
    row = page.locator("#list tbody tr:not([data-image='0'])").first
    image, number = row.get_attribute("data-image"), row.get_attribute("data-segment")
    row.locator("button").click()
    sync_api.expect(page.locator("#details")).to_have_attribute("data-segment", number)
    assert page.locator("#image").input_value() == image


def test_the_other_run_has_no_photograph(page):
    page.select_option("#run", "1")
    settle(page)
    wait_until(page, "metaseg.explorer.state.map !== null")
    layers = page.locator("#layers input").evaluate_all("all => all.map(i => i.value)")
    assert layers == LAYERS[1:]
    assert page.locator("#image option").count() == 2
    assert page.locator("#photograph").is_hidden()


def test_the_keyboard_goes_through_the_segments(page, table):
    page.locator("#stage").focus()
    judged = table[table["S_in"] > 0]
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    second = page.locator("#list tbody tr").nth(1).get_attribute("data-segment")
    assert told(page)[0] == int(second)
    assert len(judged) > 2
    page.keyboard.press("+")
    assert page.locator("#stage").evaluate("s => s.classList.contains('zoomed')")
    page.keyboard.press("Escape")
    assert page.locator("#details").get_attribute("data-segment") == ""


@wide_and_narrow
def test_a_dot_of_the_scatter_opens_its_segment(page):
    shown = page.evaluate("metaseg.runs[0].images.length")
    index = page.evaluate(
        "n => metaseg.scatter.ranked().find(i => metaseg.scatter.segment(i).image < n)", shown
    )
    x, y = page.evaluate("i => metaseg.scatter.position(i)", index)
    page.locator("#points").hover(position={"x": x, "y": y})
    number = int(page.locator("#point").get_attribute("data-segment"))
    page.locator("#points").click(position={"x": x, "y": y})
    wait_until(page, f"metaseg.explorer.state.selected?.segment === {number}")
    assert told(page)[0] == number


def test_the_scatter_by_keyboard(page):
    page.locator("#points").focus()
    page.keyboard.press("ArrowRight")
    worst = page.evaluate("metaseg.scatter.segment(metaseg.scatter.ranked()[0]).segment")
    assert page.locator("#point").get_attribute("data-segment") == str(worst)


def test_all_controls_have_names(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, select, input')]"
        ".filter(e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim())"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
