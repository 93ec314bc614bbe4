"""What README and docs show is true: commands parse, snippets run, links lead somewhere, numbers
have a source, and pages that follow from the code are up to date."""

import importlib.util
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typer

import metaseg_tf
from metaseg_tf.cli import app
from metaseg_tf.networks.checkpoints import CATALOGUE
from metaseg_tf.paper.published import PUBLISHED

ROOT = Path(metaseg_tf.__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "deeplab_checkpoints" / "README.md"]
)
GENERATED = runpy.run_path(str(DOCS / "generate.py"))
CONVENTIONS = runpy.run_path(str(DOCS / "pictures" / "conventions.py"))
VERBS = dict(GENERATED["walk_verbs"]())

#: Pages whose numbers are those of the moment, or are written from data.
HISTORY = {ROOT / "CHANGELOG.md", *(DOCS / "decisions").glob("*.md")}
PRINTED = (
    "benchmarks.md", "beyond.md", "review.md", "statistics.md", "promises.md", "images.md",
)  # fmt: skip
WRITTEN = {DOCS / name for name in (*GENERATED["PAGES"], *PRINTED)}
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?\s?(?:%|s|ms|min|h|[kMGT]B)(?!\w)|\d+(?:\.\d+)+")


def blocks(page, *languages):
    found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def commands(page):
    """The words of every ``metaseg-tf`` line in a shell block, or between single backticks."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("metaseg-tf ")]


def mentions(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(text) for text in re.findall(r"`(metaseg-tf [^`]+)`", prose)]


def parse(words):
    """Parse a command line as the real one does, without running the verb."""
    name = " ".join(words[:2]) if " ".join(words[:2]) in VERBS else words[0]
    VERBS[name].make_context(name, words[len(name.split()) :])


def name_of(page):
    return str(page.relative_to(ROOT))


SHOWN = [
    pytest.param(words[1:], id=f"{name_of(page)}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
]
MENTIONED = [
    pytest.param(words[1:], id=f"{name_of(page)}: {' '.join(words)}")
    for page in PAGES
    for words in mentions(page)
]

SNIPPETS = [
    pytest.param(page, text, id=f"{name_of(page)}: {number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "python"), 1)
]
#: Others' libraries, which nothing here needs: their snippets run where they are.
OPTIONAL = ("torch", "transformers", "fiftyone")


@pytest.mark.parametrize("words", SHOWN)
def test_shown_commands_parse(words):
    parse(words)


@pytest.mark.parametrize("words", MENTIONED)
def test_mentioned_verbs_and_options_exist(words):
    group = typer.main.get_command(app)
    known = {name for p in group.params for name in p.opts} | {"--help"}
    verb = next((v for n, v in VERBS.items() if words[: len(n.split())] == n.split()), None)
    if verb is not None:
        known |= {name for p in verb.params for name in (*p.opts, *p.secondary_opts)}
    assert verb is not None or words[0].startswith("-") or words[0] in group.commands
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "words", [["tabel", "1", "x"], ["table", "9", "x"], ["extract", "--out", "x", "--softmx", "y"]]
)
def test_the_reader_of_commands_can_fail(words):
    with pytest.raises((KeyError, typer.TyperException)):
        parse(words)


def test_every_verb_is_shown_with_an_example():
    shown = {" ".join(param.values[0]) for param in SHOWN}
    assert [name for name in VERBS if not any(text.startswith(name) for text in shown)] == []


def test_every_parameter_is_explained():
    lacking = [(name, p.name) for name, verb in VERBS.items() for p in verb.params if not p.help]
    assert lacking == []


#: Its blocks depend on each other: `test_the_first_five_minutes` runs them.
STORY = DOCS / "getting-started.md"


@pytest.mark.parametrize(
    ("page", "text"), [param for param in SNIPPETS if param.values[0] != STORY]
)
def test_python_snippets_run(page, text, tmp_path, monkeypatch):
    for library in OPTIONAL:
        if re.search(rf"^(import|from) {library}\b", text, re.MULTILINE):
            pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    exec(compile(text, name_of(page), "exec"), {})


@pytest.mark.long
def test_the_first_five_minutes(tmp_path):
    """The page's blocks in their order, in one shell that begins in an empty folder.

    Only what makes the environment is left out, in favour of this one: `make package` installs.
    """
    found = re.findall(r"^```(sh|python)\n(.*?)^```", STORY.read_text(), re.MULTILINE | re.DOTALL)
    script = "".join(
        text if language == "sh" else f"python - <<'END'\n{text}END\n" for language, text in found
    )
    made_before = r"^(python3 -m venv|\. \.venv|pip install).*\n"
    script, count = re.subn(made_before, "", script, flags=re.MULTILINE)
    assert count == 3
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "n/a" not in done.stdout
    table = pd.read_csv(tmp_path / "runs" / "mine" / "tables" / "table2.csv", index_col=0)
    auroc, alone = (
        float(table.loc[f"AUROC, {row}", "mine validation"].split("%")[0])
        for row in ("penalized", "entropy baseline")
    )
    assert auroc > 80
    assert auroc > alone + 5
    assert (tmp_path / "runs" / "mine" / "figures" / "figure5.png").exists()
    assert (tmp_path / "runs" / "mine" / "report" / "index.html").exists()
    judged = pd.read_csv(tmp_path / "judged" / "judged.csv")
    assert judged["image"].nunique() == len(list((tmp_path / "judged" / "trusted").iterdir())) == 4


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page):
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text())
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_the_site_leads_to_every_page():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    records = {*DOCS.glob("decisions/[0-9]*.md")}
    assert {DOCS / name for name in listed} == {*DOCS.rglob("*.md")} - records


def test_the_api_begins_with_the_public_names_and_ends_there():
    names = re.findall(r"^::: (.*)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    public = {name for name in metaseg_tf.__all__ if name != "__version__"}
    assert sorted(names) == sorted(f"metaseg_tf.{name}" for name in public)


def test_what_is_behind_it_are_modules_that_exist():
    names = re.findall(r"^::: (.*)$", (DOCS / "internals.md").read_text(), re.MULTILINE)
    assert names
    assert [name for name in names if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize("name", GENERATED["PAGES"])
def test_generated_pages_are_up_to_date(name):
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == GENERATED["PAGES"][name](), "run: python docs/generate.py"


def known_numbers():
    """All numbers with a source: listed ones, printed ones, versions, the networks' settings."""
    known = set(json.loads((DOCS / "numbers.json").read_text()))
    for name in ("setup.py", "requirements.txt", "metaseg_tf/VERSION"):
        known |= set(re.findall(r"\d+(?:\.\d+)+", (ROOT / name).read_text()))
    known |= {f"{scale:g}" for entry in CATALOGUE for scale in entry.settings.scales}
    for number in PUBLISHED:
        known.add(f"{number.value:.{number.decimals}f}")
        known.add(f"{number.value:.{max(number.decimals - 2, 0)}%}".replace("%", " %"))
    return known | {"3.11", "3.12", "3.13"}


@pytest.mark.parametrize("page", sorted({*PAGES} - HISTORY - WRITTEN), ids=name_of)
def test_numbers_have_a_source(page):
    text = re.sub(
        r"^```.*?^```|`[^`]*`|\]\([^)]*\)|<[^>]*>", "", page.read_text(), flags=re.M | re.S
    )
    assert {found.strip() for found in NUMBER.findall(text)} <= known_numbers()


def test_numbers_that_are_listed_are_used():
    text = "".join(page.read_text() for page in PAGES)
    assert [
        number for number in json.loads((DOCS / "numbers.json").read_text()) if number not in text
    ] == []


@pytest.mark.parametrize("convention", ["reference", "paper"])
@pytest.mark.parametrize("adjusted", [False, True], ids=["iou", "iou_adj"])
@pytest.mark.parametrize("case", CONVENTIONS["CASES"].values(), ids=CONVENTIONS["CASES"])
def test_pictures_show_the_union_that_is_measured(case, adjusted, convention):
    pred, gt = CONVENTIONS["to_map"](case.pred), CONVENTIONS["to_map"](case.gt)
    segments = CONVENTIONS["label_components"](pred)
    k = segments == CONVENTIONS["number_of"](case)
    joined = CONVENTIONS["find_joined"](case, convention, adjusted=adjusted)
    expected = (k & (gt == 1)).sum() / (k.sum() + joined.sum())
    assert CONVENTIONS["measure"](case, convention)[adjusted] == pytest.approx(expected)


def test_pictures_show_cases_where_the_conventions_part():
    for case in CONVENTIONS["CASES"].values():
        assert CONVENTIONS["measure"](case, "reference") != CONVENTIONS["measure"](case, "paper")


def test_the_demo_has_as_many_scenes_as_said():
    from metaseg_tf.demo.plan import DEMO_IMAGES

    assert f"draws {DEMO_IMAGES} street scenes" in (DOCS / "demo.md").read_text()


def test_expected_times_rest_on_the_networks_own_counts():
    from training import count_multiply_adds

    from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65

    recorded = json.loads((DOCS / "expected_times.json").read_text())["multiply_adds"]
    architectures = {"mobilenetv2": MOBILENETV2, "xception65": XCEPTION65}
    for entry in CATALOGUE:
        s = entry.settings
        counted = count_multiply_adds(
            architectures[entry.name], s.crop, s.output_stride, s.scales, s.flip
        )
        assert recorded[entry.name] == pytest.approx(counted, rel=3e-3)
