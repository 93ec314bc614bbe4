from contextlib import nullcontext
from dataclasses import replace

import pytest
from make_golden import golden_numbers
from street import FakeNetwork, write_street

from metaseg_tf import load_run
from metaseg_tf.cli.reproduce import run_plan
from metaseg_tf.errors import InputError
from metaseg_tf.networks import checkpoints
from metaseg_tf.networks.checkpoints import find
from metaseg_tf.paper import figures
from metaseg_tf.paper.published import PUBLISHED
from metaseg_tf.paper.reproduction import NetworkPlan, Plan, choose_networks
from metaseg_tf.runs import helper, sources
from metaseg_tf.runs.run import Run

pytestmark = pytest.mark.usefixtures("short_path")


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return write_street(tmp_path_factory.mktemp("street"))


@pytest.fixture
def networks(monkeypatch):
    """Networks that need no download, by name, once they are loaded."""
    loaded = {}

    def load(source, _):
        return loaded.setdefault(str(source), FakeNetwork())

    def describe(source, network, _):
        return {"network": source.rsplit("/", 1)[-1]}

    monkeypatch.setattr(sources, "load_network", load)
    monkeypatch.setattr(sources, "describe_network", describe)
    monkeypatch.setattr(checkpoints, "download", lambda entry, *_, **__: fetched.append(entry))
    # Another process would know nothing of what is replaced here.
    monkeypatch.setattr(helper, "open_helper", nullcontext)
    fetched = loaded["fetched"] = []
    return loaded


@pytest.fixture
def drawn(monkeypatch):
    """Numbers of the figures that were asked for; the pictures themselves are tested elsewhere."""
    asked = []

    def draw(number, runs, formats):
        asked.append(number)
        if number == 7:
            raise InputError("figure 7: expected maps, got none; extract with --keep-maps")
        return [runs[0].write_text(f"figures/figure{number}.png", "")]

    monkeypatch.setattr(figures, "FIGURES", {1: None, 7: None}, raising=False)
    monkeypatch.setattr(figures, "make_figure", draw, raising=False)
    monkeypatch.setattr(figures.diagnostics, "draw_diagnostics", lambda found: [])
    return asked


def reproduce(metaseg, street, out, *words):
    return metaseg("reproduce", "--cityscapes", street, "--out", out, *words)


def test_the_whole_paper_and_what_is_kept(metaseg, street, networks, drawn, tmp_path):
    code, output, error = reproduce(metaseg, street, tmp_path)
    assert code == 1
    assert networks["fetched"] == [find("xception65"), find("mobilenetv2")]
    assert networks["xception65"].seen == networks["mobilenetv2"].seen == [*range(6)]
    tables = {path.name for path in (tmp_path / "xception65" / "tables").iterdir()}
    assert {"table1.md", "table2.csv", "table3.tex", "evaluation.csv", "verify.csv"} <= tables
    assert (tmp_path / "mobilenetv2" / "diagnostics" / "summary.txt").exists()
    assert "45194" in output
    assert "6 of 7 results made" in output
    assert "not made: figure 7: figure 7: expected maps" in output
    assert "XC: images: 6, in print 500" in output
    assert "table 2: made" in error

    networks.clear()
    networks["fetched"] = []
    drawn.clear()
    code, output, error = reproduce(metaseg, street, tmp_path)
    assert code == 1
    assert set(networks) == {"fetched"}
    assert drawn == [7]
    assert "table 2: kept" in error


def test_a_trial_on_some_images_of_one_network(metaseg, street, networks, drawn, tmp_path):
    code, output, _ = reproduce(
        metaseg, street, tmp_path, "--networks", "mobilenetv2", "--limit", 2, "--quiet"
    )
    assert code == 1
    assert set(load_run(tmp_path / "mobilenetv2")["image"]) == {"ulm_0", "ulm_1"}
    assert not (tmp_path / "xception65").exists()
    assert "MN" in output


def test_an_interrupted_run_is_taken_up(metaseg, street, networks, drawn, tmp_path, monkeypatch):
    def stop(self, image):
        if len(self.seen) == 3:
            raise KeyboardInterrupt
        return probabilities(self, image)

    probabilities = FakeNetwork.probabilities
    monkeypatch.setattr(FakeNetwork, "probabilities", stop)
    code, output, _ = reproduce(metaseg, street, tmp_path)
    assert code == 130
    assert "repeat the command" in output
    kept = Run(tmp_path / "xception65").done()
    assert 0 < len(kept) < 6
    monkeypatch.setattr(FakeNetwork, "probabilities", probabilities)
    networks.pop("xception65")
    reproduce(metaseg, street, tmp_path, "--networks", "xception65")
    assert len(networks["xception65"].seen) == 6 - len(kept)


@pytest.mark.parametrize("names", ["", "resnet", "mobilenetv2,unet"])
def test_other_networks_are_refused(refused, street, tmp_path, names):
    words = ("--cityscapes", street, "--out", tmp_path, "--networks", names)
    assert "expected some of mobilenetv2, xception65" in refused("reproduce", *words)


def test_no_data_is_refused_before_anything_is_fetched(refused, networks, tmp_path):
    words = ("--cityscapes", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert "Cityscapes" in refused("reproduce", *words)
    assert networks["fetched"] == []


def test_networks_come_in_the_order_of_print():
    assert [n.role for n in choose_networks("mobilenetv2, xception65")] == ["XC", "MN"]


def test_a_plan_of_ones_own_hits_its_golden_numbers(
    street, networks, drawn, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(figures, "FIGURES", {1: None}, raising=False)
    chosen = (NetworkPlan("XC", "strong", "a/strong.pb"), NetworkPlan("MN", "weak", "a/weak.pb"))
    plan = Plan(chosen, street, tmp_path)
    assert run_plan(plan, quiet=True) == 1
    golden = golden_numbers(plan.open_runs())
    assert len(golden) == len(PUBLISHED)
    capsys.readouterr()
    assert run_plan(replace(plan, printed=golden)) == 0
    output = capsys.readouterr().out
    assert "112 match, 0 near, 0 off, 0 missing" in output
    assert "6 of 6 results made" in output
