"""The page in a real browser: Chromium through playwright, where both are installed."""

import csv
import io
import json
import shutil
from urllib.parse import quote

import browsing
import numpy as np
import pytest
from browsing import PHONE, WIDE, opened, settle, wait_until
from mapped_runs import make_judged, make_run

from metaseg_tf.meta.model import SCORE_COLUMNS
from metaseg_tf.report import overview
from metaseg_tf.report.explorer import choose_images, judge_run
from metaseg_tf.report.page import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

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
LAYERS = [
    "image", "prediction", "truth", "found", "entropy", "difference", "information", "true",
    "predicted", "false",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with browsing.launched() as browser:
        yield browser


@pytest.fixture
def page(request, browser, page_path):
    """The page; whatever it says on the console, refusals by its policy too, fails the test."""
    with opened(browser, page_path, getattr(request, "param", WIDE)) as (page, said):
        yield page
        settle(page)
        assert said == []


def test_only_the_page_s_own_files_are_run_or_loaded(browser, page_path, tmp_path):
    """Whatever text might slip into the page: no script, style or image of elsewhere."""
    folder = shutil.copytree(page_path.parent, tmp_path / "report")
    harmed = folder / "index.html"
    slips = "".join(f"<div class=slip>{html}</div>" for html, _, _ in HARM)
    harmed.write_text(harmed.read_text().replace("</main>", f"{slips}</main>"))
    with opened(browser, harmed) as (page, _):
        page.locator(".slip > *").evaluate_all(
            "all => all.forEach(e => e.matches('form') ? e.submit() : e.click())"
        )
        wait_until(page, f"violations.length >= {len(HARM)}")
        refused = [list(found) for _, *found in HARM]
        assert sorted(page.evaluate("violations")) == sorted(refused)
        assert page.evaluate("window.harm === undefined")
        assert page.locator("#glance").is_visible()
        assert page.evaluate("document.baseURI") == harmed.as_uri()


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


def test_the_layer_of_the_truth_has_the_scale_of_siou(page):
    page.locator("#layers input[value=found]").check()
    settle(page)
    assert "sIoU" in page.locator("#legend").inner_text()


def test_the_worst_misses_lead_to_their_image(page, runs):
    truth = runs[0].load_truth()
    rows = page.locator("#misses details").first.locator("tbody tr")
    assert rows.count() == min(20, (truth["siou"] <= 0.25).sum())
    linked = rows.locator("a").first
    name = linked.inner_text()
    linked.click()
    settle(page)
    assert page.evaluate("metaseg.explorer.state.image") == page.evaluate(
        "name => metaseg.runs[0].images.findIndex(one => one.name === name)", name
    )


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


@wide_and_narrow
def test_the_table_by_class_is_sorted_by_a_click(page):
    table = page.locator("table.sortable").first
    assert table.locator("tbody").nth(0).inner_text().startswith("all classes")
    rows = table.locator("tbody").nth(1).locator("tr")
    count = rows.count()

    def column(number):
        texts = rows.locator(":scope > *").all_inner_texts()[number :: len(table_head)]
        return [float("nan") if t == "n/a" else float(t.split("%")[0].split()[0]) for t in texts]

    table_head = table.locator("thead th").all_inner_texts()
    segments = column(1)
    assert segments == sorted(segments, reverse=True)
    for number in (2, 3):
        for order in ("descending", "ascending"):
            table.locator("thead button").nth(number).click()
            assert table.locator("[aria-sort]").get_attribute("aria-sort") == order
            shown = np.array(column(number))
            numbers = shown[~np.isnan(shown)]
            assert np.isnan(shown[len(numbers) :]).all()
            assert (np.diff(numbers) * (-1 if order == "descending" else 1) >= 0).all()
    table.locator("thead button").first.click()
    names = rows.locator("th").all_inner_texts()
    assert names == sorted(names)
    assert len(names) == count


def test_all_controls_have_names(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, select, input')]"
        ".filter(e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim())"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []


@pytest.fixture
def judged_page(request, browser, judged_path):
    """The page of judged images, which says nothing on the console."""
    with opened(browser, judged_path, getattr(request, "param", WIDE)) as (page, said):
        yield page
        settle(page)
        assert said == []


both_widths = pytest.mark.parametrize(
    "judged_page", [WIDE, PHONE], indirect=True, ids=["wide", "phone"]
)


def listed(page):
    """Numbers of the segments in the list, in order."""
    rows = page.locator("#list tbody tr")
    return [int(number) for number in rows.evaluate_all("all => all.map(r => r.dataset.segment)")]


@pytest.fixture(scope="module")
def verdicts(judged):
    """The judged segments of the image that the page shows first, by number."""
    one = judge_run(judged)
    table = one.table[one.table["image"] == choose_images([one], 1)[0][0]]
    loss = table["S"] * (1 - table["iou_adj_predicted"])
    return table.assign(loss=loss).set_index("segment")


@both_widths
def test_judged_images_are_shown_without_truth(judged_page, verdicts):
    layers = judged_page.locator("#layers input").evaluate_all("all => all.map(i => i.value)")
    without = ("truth", "found", "information", "true")
    assert layers == [layer for layer in LAYERS if layer not in without]
    assert judged_page.locator("#numbers, #figures, #diagnostics").count() == 0
    assert "True" not in judged_page.locator("#list thead").inner_text()
    name, loss = judged_page.locator("#image option").first.inner_text().split(" (")
    assert name == verdicts["image"].iloc[0]
    assert float(loss.split("%")[0]) == pytest.approx(
        100 * verdicts["loss"].sum() / verdicts["S"].sum(), abs=0.06
    )
    expected = verdicts.sort_values(["loss", "S"], ascending=False, kind="stable").index[:5]
    assert listed(judged_page)[:5] == expected.tolist()


@both_widths
def test_judged_images_fit_the_screen(judged_page):
    """Nor need the list be moved from side to side, whatever is chosen."""
    judged_page.locator("#list tbody tr").nth(1).click()
    for element in ("document.documentElement", "document.getElementById('listed')"):
        assert judged_page.evaluate(f"{element}.scrollWidth <= {element}.clientWidth")


@pytest.mark.parametrize(
    ("act", "keep"),
    [
        (lambda p: set_slider(p, "threshold", 0.6), lambda t: t["iou_adj_predicted"] <= 0.6),
        (lambda p: set_slider(p, "smallest", 1), lambda t: t["S"] >= 10),
        (lambda p: p.select_option("#class", "2"), lambda t: t["class_id"] == 2),
        (
            lambda p: p.select_option("#verdict", "doubtful"),
            lambda t: t["false_positive_probability"] >= 0.5,
        ),
        (
            lambda p: p.select_option("#verdict", "trusted"),
            lambda t: t["false_positive_probability"] < 0.5,
        ),
        (lambda p: p.check("#interior"), lambda t: t["S_in"] > 0),
    ],
    ids=["threshold", "size", "class", "doubtful", "trusted", "interior"],
)
def test_filters_act_on_picture_and_list_alike(judged_page, verdicts, act, keep):
    act(judged_page)
    settle(judged_page)
    kept = verdicts[keep(verdicts)]
    assert 0 < len(kept) < len(verdicts)
    shown = judged_page.evaluate("metaseg.explorer.visible().map(s => s.segment)")
    assert shown == kept.index.tolist()
    assert set(listed(judged_page)) <= set(kept.index)
    assert len(listed(judged_page)) == min(len(kept), 100)
    hidden = verdicts["S"].sum() - kept["S"].sum()
    assert overlay_colours(judged_page)[1] == hidden
    judged_page.locator("#reset").click()
    settle(judged_page)
    assert len(judged_page.evaluate("metaseg.explorer.visible()")) == len(verdicts)


@pytest.mark.parametrize(
    ("order", "column", "rising"),
    [
        ("judged", "iou_adj_predicted", True),
        ("false", "false_positive_probability", False),
        ("size", "S", False),
    ],
)
def test_the_list_comes_in_other_orders(judged_page, verdicts, order, column, rising):
    judged_page.select_option("#order", order)
    values = verdicts.loc[listed(judged_page), column].to_numpy()
    # The page has five digits of each number.
    assert np.all(np.diff(values if rising else -values) >= -1e-5)


def test_marks_are_given_kept_and_taken_away(judged_page, browser):
    rows = judged_page.locator("#list tbody tr")
    rows.nth(0).click()
    judged_page.locator("#details .mark.wrong").click()
    judged_page.locator("#stage").focus()
    judged_page.keyboard.press("ArrowRight")
    judged_page.keyboard.press("d")
    assert judged_page.locator("#list .chosen").inner_text().split("\t")[-2] == "doubt"
    for place in (3, 4):
        rows.nth(place).locator("input").check()
    assert judged_page.locator("#ticked").inner_text() == "2 selected"
    judged_page.locator("#mark-ticked .trust").click()
    marks = ["wrong class", "doubt", "", "trust", "trust"]
    assert [rows.nth(i).locator("td").nth(7).inner_text() for i in range(5)] == marks
    judged_page.reload()
    settle(judged_page)
    assert [rows.nth(i).locator("td").nth(7).inner_text() for i in range(5)] == marks
    judged_page.select_option("#marked", "trust")
    assert rows.count() == 2
    judged_page.select_option("#marked", "none")
    assert marks[0] not in judged_page.locator("#list tbody").inner_text()
    judged_page.locator("#reset").click()
    rows.nth(1).click()
    judged_page.locator("#stage").focus()
    judged_page.keyboard.press("d")
    assert rows.nth(1).locator("td").nth(7).inner_text() == ""


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_marked_segments_are_exported(judged_page, verdicts, suffix):
    rows = judged_page.locator("#list tbody tr")
    for place, key in enumerate("tw"):
        rows.nth(place).click()
        judged_page.locator("#stage").focus()
        judged_page.keyboard.press(key)
    with judged_page.expect_download() as download:
        judged_page.locator(f"#export-{suffix}").click()
    assert download.value.suggested_filename == f"drive segments.{suffix}"
    with open(download.value.path(), newline="") as file:
        found = list(csv.DictReader(file)) if suffix == "csv" else json.load(file)
    assert {row["mark"] for row in found} == {"trust", "wrong class"}
    for row in found:
        expected = verdicts.loc[int(row["segment"])]
        assert row["image"] == expected["image"]
        assert row["class_name"] == f"kind {row['class_id']} of things"
        assert int(row["area"]) == expected["S"]
        for name in ("top", "left", "bottom", "right", *SCORE_COLUMNS):
            assert float(row[name]) == pytest.approx(expected[name], rel=1e-4)
        assert "iou_adj" not in row


def test_exported_names_are_no_formulas(judged_page):
    text = judged_page.evaluate(
        "() => { const run = metaseg.runs[0]; run.images[0].name = '=1+1,\"x\"';"
        " return metaseg.marks.toText(run, [run.images[0].segments[0]], 'csv'); }"
    )
    assert next(csv.DictReader(io.StringIO(text)))["image"] == '\'=1+1,"x"'


def test_without_storage_marks_last_until_the_page_is_closed(browser, judged_path):
    refuse = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no') } });"
    with opened(browser, judged_path, script=refuse) as (page, said):
        page.locator("#list tbody tr").first.click()
        page.locator("#details .mark.doubt").click()
        assert "export them" in page.locator("#marks-status").inner_text()
        assert page.locator("#list .chosen td").nth(7).inner_text() == "doubt"
        assert said == []


def test_a_link_leads_to_its_segment_and_back(judged_page, browser, judged_path):
    rows = judged_page.locator("#list tbody tr")
    first, second = listed(judged_page)[:2]
    rows.nth(0).click()
    rows.nth(1).click()
    link = judged_page.locator("#details a").get_attribute("href")
    image = judged_page.evaluate("metaseg.runs[0].images[0].name")
    assert link == f"#drive/{quote(image)}/{second}"
    judged_page.go_back()
    wait_until(judged_page, f"metaseg.explorer.state.selected?.segment === {first}")
    judged_page.go_forward()
    wait_until(judged_page, f"metaseg.explorer.state.selected?.segment === {second}")
    judged_page.locator("#next-image").click()
    wait_until(judged_page, "location.hash.split('/').length === 2")
    judged_page.go_back()
    wait_until(judged_page, f"metaseg.explorer.state.selected?.segment === {second}")
    with opened(browser, judged_path, link=link) as (page, said):
        assert page.evaluate("metaseg.explorer.state.selected.segment") == second
        assert page.locator("#list .chosen").get_attribute("data-segment") == str(second)
        assert said == []


def test_the_link_can_be_copied(browser, judged_path):
    with opened(browser, judged_path, permissions=["clipboard-read", "clipboard-write"]) as (
        page,
        _,
    ):
        page.locator("#list tbody tr").first.click()
        page.locator("#copy").click()
        sync_api.expect(page.locator("#details [role=status]")).to_have_text("copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_a_link_to_what_is_not_here_says_what_to_do(browser, judged, judged_path):
    shown = choose_images([judge_run(judged)], 3)[0]
    for name, words in (
        (shown[2], f"with --image='{shown[2]}'"),
        ("street 3" if "street 3" not in shown else "street 2", "--keep-maps all"),
        ("nowhere", "no such image"),
    ):
        with opened(browser, judged_path, link=f"#drive/{quote(name)}/1") as (page, said):
            assert words in page.locator("#link-status").inner_text()
            assert page.locator("#list tbody tr").count() > 0
            assert said == []


@both_widths
def test_dots_without_their_image_say_how_to_include_it(judged_page):
    outside = judged_page.evaluate(
        "metaseg.scatter.ranked().filter(i => metaseg.scatter.segment(i).image > 1)"
    )
    assert outside
    judged_page.locator("#points").focus()
    ranked = judged_page.evaluate("metaseg.scatter.ranked()")
    for _ in range(1 + ranked.index(outside[0])):
        judged_page.keyboard.press("ArrowRight")
    assert "metaseg-tf report with --image='street" in judged_page.locator("#include").inner_text()
    assert judged_page.locator("#point .bar b").count() == 1
    inside = next(i for i in ranked if i not in outside)
    x, y = judged_page.evaluate("i => metaseg.scatter.position(i)", inside)
    judged_page.locator("#points").click(position={"x": x, "y": y})
    wait_until(judged_page, "metaseg.explorer.state.selected !== null")


def show(page, number):
    page.evaluate(f"metaseg.explorer.open(0, 0, {number})")
    wait_until(page, f"metaseg.explorer.state.selected?.segment === {number}")
    return page.locator("#details")


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("verdict", ["iou_adj_linear", "false_positive_log_odds"])
def test_the_explanation_adds_up(judged_page, judged, verdicts, verdict, inside):
    number = verdicts.index[(verdicts["S_in"] > 0) == inside][0]
    details = show(judged_page, number)
    if verdict != "iou_adj_linear":
        details.locator(".choice button").nth(1).click()
    values = [
        float(text.replace("−", "-").replace("+", ""))
        for text in details.locator(f"[data-verdict={verdict}] b").all_inner_texts()
    ]
    explained = judge_run(judged).model.explain(verdicts.loc[[number]])[verdict].iloc[0]
    assert values[-1] == pytest.approx(explained.sum(), abs=0.006)
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.05)
    largest = explained.drop("base").abs().sort_values(ascending=False)
    assert np.abs(values[1:7]) == pytest.approx(largest.to_numpy()[:6], abs=0.006)
    assert values[7] == pytest.approx(explained.sum() - sum(values[:7]), abs=0.05)


def test_the_verdict_comes_with_its_interval_and_both_probabilities(judged_page, verdicts):
    number = verdicts.index[0]
    low, high, false = verdicts.loc[number, [*SCORE_COLUMNS[3:], SCORE_COLUMNS[2]]]
    text = show(judged_page, number).inner_text()
    assert f"between {low:.2f} and {high:.2f} in 95 % of such segments" in text
    assert f"with probability {false:.2f}, none with {1 - false:.2f}." in text


def test_what_has_no_interior_and_no_verdict_is_explained_in_words(page, table):
    details = show(page, table.index[table["S_in"] == 0][0])
    assert "no interior" in details.inner_text()
    assert "in 95 %" not in details.inner_text()
    assert details.locator(".why").count() == 0


def test_colours_of_classes_are_the_same_everywhere(judged_page, judged):
    maps = judged.load_maps(judged_page.evaluate("metaseg.runs[0].images[0].name"))
    judged_page.locator("#layers input[value=prediction]").check()
    settle(judged_page)
    painted = judged_page.evaluate(
        "() => { const c = document.getElementById('overlay');"
        " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"
    )
    painted = np.array(painted).reshape(*maps.pred.shape, 4)[..., :3]
    assert np.array_equal(painted, judged.classes.palette[maps.pred])
    colours = {
        name: tuple(map(int, colour.split("(")[1].rstrip(")").split(",")))
        for place in ("#legend .class", "#list .name")
        for name, colour in judged_page.locator(place).evaluate_all(
            "all => all.map(e => [e.textContent,"
            " getComputedStyle(e.querySelector('.swatch')).backgroundColor])"
        )
    }
    palette = dict(
        zip(judged.classes.names, map(tuple, judged.classes.palette.tolist()), strict=True)
    )
    assert colours == palette


def test_a_class_of_the_legend_is_shown_alone(judged_page, verdicts):
    judged_page.locator("#layers input[value=prediction]").check()
    button = judged_page.locator("#legend .class").first
    name = button.inner_text()
    button.click()
    settle(judged_page)
    largest = verdicts.groupby("class_id")["S"].sum().idxmax()
    assert name == f"kind {largest} of things"
    assert judged_page.locator("#class").input_value() == str(largest)
    assert overlay_colours(judged_page)[0] == 2


def test_two_fingers_zoom(browser, judged_path):
    with opened(browser, judged_path, PHONE, has_touch=True) as (page, said):
        page.locator("#stage").scroll_into_view_if_needed()
        box = page.locator("#outline").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = page.context.new_cdp_session(page)

        def send(kind, apart):
            places = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            points = [] if kind == "touchEnd" else places
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        send("touchStart", 20)
        for apart in (25, 30, 40, 60):
            send("touchMove", apart)
        send("touchEnd", 60)
        assert page.evaluate("metaseg.explorer.view.zoom()") == pytest.approx(3, rel=0.05)
        assert page.evaluate("visualViewport.scale") == 1
        assert page.locator("#details").get_attribute("data-segment") in (None, "")
        assert said == []


def test_the_wheel_zooms_with_the_control_key_only(judged_page):
    judged_page.locator("#stage").scroll_into_view_if_needed()
    judged_page.locator("#outline").hover()
    judged_page.mouse.wheel(0, -10)
    assert judged_page.evaluate("metaseg.explorer.view.zoom()") == 1
    judged_page.keyboard.down("Control")
    judged_page.mouse.wheel(0, -100)
    judged_page.keyboard.up("Control")
    wait_until(judged_page, "metaseg.explorer.view.zoom() > 1")


@pytest.mark.parametrize("n_classes", [2, 150])
def test_few_and_many_classes(browser, tmp_path, n_classes):
    run = make_judged(tmp_path / "drive", [0], n_classes=n_classes)
    occurring = len(np.unique(run.load_maps("street 0").pred))
    assert occurring > min(n_classes - 1, 30)
    with opened(browser, write_report([run]), PHONE) as (page, said):
        page.locator("#layers input[value=prediction]").check()
        settle(page)
        assert page.locator("#legend .swatch").count() == occurring
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#list tbody tr").first.click()
        assert page.locator("#details .why li, #details .hint").count() > 0
        assert said == []
