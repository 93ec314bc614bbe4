"""Plausible mistakes, made on the demo's scenes and network, are caught by verify and named."""

import math
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
from make_golden import golden_numbers

from metaseg_tf.analysis import classification, evaluation, protocol, regression
from metaseg_tf.analysis.protocol import PAPER_PROTOCOL, PARTS
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.demo.plan import draw_scenes
from metaseg_tf.errors import DataFormatError
from metaseg_tf.networks.options import NetworkOptions
from metaseg_tf.paper import measured
from metaseg_tf.paper.verify import verify
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.sources import open_cityscapes
from metaseg_tf.segments import table
from metaseg_tf.segments.dispersion import HeatMaps

pytestmark = pytest.mark.long

SCENES, SPLITS = 3, 4
BOOL = np.dtype(bool)


@pytest.fixture(scope="module", autouse=True)
def short_path():
    """Five penalties in place of fifty and four splits in place of ten: a twentieth of the time."""
    short = replace(PAPER_PROTOCOL, C=PAPER_PROTOCOL.C[::10], n_splits=SPLITS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metaseg_tf.analysis.evaluation.PAPER_PROTOCOL", short)
        patch.setattr("metaseg_tf.paper.verify.PAPER_PROTOCOL", short)
        yield


@dataclass(frozen=True)
class Seen:
    """An image that a network has seen once for all runs."""

    sample: Sample
    origin = "demo"

    @property
    def name(self):
        return self.sample.name

    def read(self):
        return self.sample


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    """The demo's scenes seen through its smaller network, as a source of probabilities."""
    root = tmp_path_factory.mktemp("scenes")
    list(draw_scenes(root, images=SCENES))

    def see(**options):
        source = open_cityscapes("demo_mobilenetv2", root, NetworkOptions(**options))
        seen = [Seen(item.read()) for item in source.items]
        return Source(seen, source.settings, source.n_classes, classes=source.classes)

    return see


@pytest.fixture(scope="module")
def source(look):
    return look(output_stride=8, flip=True)


def measure(source, path, **settings):
    settings = MeasureSettings(**settings)
    run = open_run(path, source, settings)
    list(extract(source, run, settings, keep_maps=0))
    return Run(path)


@pytest.fixture(scope="module")
def right(source, tmp_path_factory):
    """The run without a mistake, whose numbers are taken for the printed ones."""
    return measure(source, tmp_path_factory.mktemp("right") / "run")


@pytest.fixture(scope="module")
def printed(right):
    return golden_numbers({"MN": right})


@pytest.fixture
def check(right, printed, tmp_path):
    """Verify a run, or the right one analysed anew, against the right numbers."""

    def check(run=None):
        if run is None:
            without = shutil.ignore_patterns("evaluation")
            run = Run(shutil.copytree(right.path, tmp_path / "again", ignore=without))
        return verify({"MN": run}, printed, {"MN": right.manifest.settings})

    return check


def words(found):
    assert not found.passed
    return "\n".join([*found.foreword(), *found.hints])


def test_without_a_mistake_every_number_matches(check, printed):
    found = check()
    assert found.passed
    assert {c.verdict for c in found.comparisons} == {"match"}
    assert found.foreword() == ["MN: the fingerprint is equal, so every number must match"]
    assert found.hints == ()


@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        ({"convention": "paper"}, "convention: 'paper', in print 'reference'"),
        ({"connectivity": 4}, "connectivity: 4, in print 8"),
    ],
)
def test_mistakes_of_measuring(mistake, named, source, check, tmp_path):
    found = check(measure(source, tmp_path / "run", **mistake))
    assert not found.passed
    assert named in found.hints[0]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"output_stride": 8, "flip": False}, "flip: False, in print True"),
        ({"output_stride": 16, "flip": True}, "output_stride: 16, in print 8"),
    ],
)
def test_mistakes_of_the_network(options, named, look, check, tmp_path):
    found = check(measure(look(**options), tmp_path / "run"))
    assert named in found.hints[0]
    assert "so nothing else can be expected to agree" in words(found)
    assert "the mIoU differs" in words(found)


class Unmasked(HeatMaps):
    """Heat maps whose prediction stays as it is where the ground truth is void."""

    def _replace(self, **changes):
        return self


def test_void_that_is_not_masked_in_the_prediction(source, check, tmp_path, monkeypatch):
    compute = table.compute_heat_maps
    monkeypatch.setattr(table, "compute_heat_maps", lambda *a, **k: Unmasked(*compute(*a, **k)))
    assert "void is not masked" in words(check(measure(source, tmp_path / "run")))


def test_void_that_is_taken_for_a_class(source, check, tmp_path):
    seen = [
        s.sample._replace(gt=np.where(s.sample.gt == 255, 0, s.sample.gt)) for s in source.items
    ]
    source = Source([*map(Seen, seen)], source.settings, source.n_classes, classes=source.classes)
    assert "void is not masked" in words(check(measure(source, tmp_path / "run")))


def use_entropy(monkeypatch, limit):
    """Leave out the division by log q of eq. (2), and clip at ``limit``."""
    compute = table.compute_heat_maps

    def mistaken(probs, **keywords):
        heat = compute(probs, **keywords)
        return heat._replace(entropy=np.minimum(heat.entropy * math.log(probs.shape[-1]), limit))

    monkeypatch.setattr(table, "compute_heat_maps", mistaken)


def test_entropy_without_normalisation(source, check, tmp_path, monkeypatch):
    use_entropy(monkeypatch, 1)
    found = check(measure(source, tmp_path / "run"))
    assert "divide by the logarithm of the number of classes" in words(found)
    assert found.fingerprints == {"MN": "equal"}


def test_entropy_without_bounds(source, check, tmp_path, monkeypatch):
    use_entropy(monkeypatch, math.inf)
    with pytest.raises(DataFormatError, match=r"expected E of float64 in 0\.\.1"):
        check(measure(source, tmp_path / "run"))


def test_deviations_of_a_sample(check, monkeypatch):
    def summarise(tidy):
        right = evaluation.summarise(tidy)
        return right.assign(std=right["std"] * math.sqrt(SPLITS / (SPLITS - 1)))

    monkeypatch.setattr(measured, "summarise", summarise)
    assert "(ddof 1)" in words(check())


def test_exchanged_halves(check, monkeypatch):
    draw = protocol.reference_splits
    monkeypatch.setattr(protocol, "reference_splits", lambda n, n_splits: ~draw(n, n_splits))
    assert "the halves are exchanged" in words(check())


@pytest.mark.parametrize(("place", "name"), [(classification, "_fit_split"), (regression, "_show")])
def test_halves_exchanged_in_one_place(place, name, check, monkeypatch):
    fit = getattr(place, name)

    def exchanged(*given):
        return fit(*(~part if getattr(part, "dtype", None) is BOOL else part for part in given))

    monkeypatch.setattr(place, name, exchanged)
    assert "the halves are exchanged" in words(check())


def test_scores_under_each_others_names(check, monkeypatch):
    def summarise(tidy):
        names = dict(zip(PARTS, reversed(PARTS), strict=True))
        return evaluation.summarise(tidy.assign(part=tidy["part"].map(names)))

    monkeypatch.setattr(measured, "summarise", summarise)
    assert "scores of training are named validation" in words(check())
