import pytest
from scenes import make_scene

from metaseg_tf.data.softmax import SoftmaxDump, save_dump
from metaseg_tf.runs.run import Run


@pytest.fixture
def made(metaseg, tmp_path):
    """A run of the verb extract."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    for i in range(4):
        save_dump(folder / f"{i}.npz", SoftmaxDump(*make_scene(seed=i), f"image{i}"))

    def extract(*words):
        code, _, error = metaseg("extract", "--softmax", folder, "--out", tmp_path / "XC", *words)
        return code, error, Run(tmp_path / "XC") if code == 0 else None

    return extract


def test_figures_say_where_they_are(metaseg, made):
    run = made()[2]
    code, output, _ = metaseg("figure", 7, run.path, "--image", "image1")
    assert code == 0
    names = ("figure7.png", "figure7.pdf", "figure7.csv")
    assert output.split()[1::2] == [str(run.path / "figures" / name) for name in names]


@pytest.mark.parametrize(("words", "kept"), [((), 4), (("2",), 2), (("0",), 0), (("all",), 4)])
def test_maps_are_kept_as_asked(made, words, kept):
    assert len(made(*(("--keep-maps", *words) if words else ()))[2].with_maps()) == kept


def test_a_wrong_number_of_maps_is_refused(made):
    code, error, _ = made("--keep-maps", "some")
    assert code == 2
    assert "expected a number of images or 'all'" in " ".join(error.split())


def test_a_run_without_maps_is_refused_in_one_line(refused, made):
    run = made("--keep-maps", "0")[2]
    assert "--keep-maps" in refused("figure", 2, run.path)


def test_a_range_of_figures_is_made_by_one_command(metaseg, made):
    run = made()[2]
    code, output, _ = metaseg("figure", "6..7", run.path)
    assert code == 0
    assert {"figure6.png", "figure7.png"} <= {place.split("/")[-1] for place in output.split()}
    assert (run.path / "figures" / "figure7.pdf").exists()


def test_of_a_range_what_can_be_made_is_made(metaseg, made):
    run = made("--keep-maps", "0")[2]
    code, output, error = metaseg("figure", "6..8", run.path)
    assert code == 2
    assert "figure6.png" in output
    assert [line[:10] for line in error.splitlines()] == ["metaseg-tf"] * 2
    assert "figure 7: " in error
    assert "--keep-maps" in error
    assert "expected one of 1, 2, 3" in error


@pytest.mark.parametrize("number", ["one", "1..", "..7", "1...7", "7..1", ""])
def test_what_is_no_range_is_refused(refused, number):
    assert "a number or a range such as 1..7" in refused("figure", number, "RUN")


def test_figures_never_import_tensorflow(fresh_python):
    loaded = fresh_python(
        "import metaseg_tf.paper.figures\nimport sys; print(*sys.modules)"
    ).split()
    assert not {"tensorflow", "statsmodels", "matplotlib.pyplot"} & set(loaded)
