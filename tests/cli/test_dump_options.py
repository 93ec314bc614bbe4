"""Dumps as people write them: read by an option, or refused in a line that names it."""

import json

import numpy as np
import pandas as pd
import pytest
from scenes import make_scene

from metaseg_tf import load_run
from metaseg_tf.runs.run import Run

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def write(folder, change=lambda parts: parts, save=np.savez, suffix=".npz"):
    """Two dumps, changed."""
    folder.mkdir()
    for i in range(2):
        probs, gt = make_scene(seed=i)
        with (folder / f"s{i}{suffix}").open("wb") as file:
            save(file, **change({"probs": probs, "gt": gt.astype(int), "image": IMAGE}))
    return folder


@pytest.fixture
def plain(metaseg, tmp_path):
    """The run of plain dumps."""
    assert (
        metaseg("extract", "--softmax", write(tmp_path / "plain"), "--out", tmp_path / "XC")[0] == 0
    )
    return Run(tmp_path / "XC")


def changed(**parts):
    return lambda given: given | {name: change(given[name]) for name, change in parts.items()}


def first(probs):
    return np.moveaxis(probs, -1, 0)


def without_void(parts):
    return parts | {"probs": np.where((parts["gt"] == 255)[..., None], np.nan, parts["probs"])}


def renamed(parts):
    return {{"probs": "softmax", "gt": "label"}.get(name, name): x for name, x in parts.items()}


def shift(gt):
    return np.where(gt == 255, 0, gt + 1).astype(np.uint8)


#: How dumps depart from the plain ones, the options that read them, and what is said without.
WAYS = {
    "channels first": (changed(probs=first), ["--channels-first"], "transpose .*--channels-first"),
    "a leading axis, too": (
        changed(probs=lambda p: first(p)[None]),
        ["--channels-first"],
        "transpose .*--channels-first",
    ),
    "logits": (changed(probs=np.log), ["--logits"], "softmax to the logits .*--logits"),
    "both": (
        changed(probs=lambda p: first(np.log(p))),
        ["--logits", "--channels-first"],
        "transpose .*--channels-first",
    ),
    "positive logits": (changed(probs=lambda p: np.log(p) + 99), ["--logits"], "--logits"),
    "other names": (
        renamed,
        ["--keys", "probs=softmax,gt=label"],
        "'probs', found 'softmax', 'label', 'image'.*--keys probs=NAME",
    ),
    "ADE20K": (changed(gt=shift), ["--reduce-zero-label"], "--reduce-zero-label"),
    "void -1": (
        changed(gt=lambda gt: np.where(gt == 255, -1, gt)),
        ["--void", "-1"],
        "void=-1 .*--void -1",
    ),
    "an axis more": (changed(gt=lambda gt: gt[..., None]), [], None),
    "void without distribution": (without_void, [], None),
    "big-endian": (changed(probs=lambda p: p.astype(">f4")), [], None),
}


@pytest.mark.parametrize("way", WAYS)
def test_dumps_in_other_ways_give_the_same_run(metaseg, refused, plain, tmp_path, way):
    change, options, said = WAYS[way]
    folder = write(tmp_path / "other", change, suffix=".NPZ")
    words = ("extract", "--softmax", folder, "--out", tmp_path / "run")
    if said is not None:
        message = refused(*words)
        assert pd.Series([message]).str.contains(said).all(), message
        assert "resize" not in message
    assert metaseg(*words, *options)[0] == 0
    run = Run(words[-1])
    ours, expected = load_run(run.path), load_run(plain.path)
    pd.testing.assert_frame_equal(ours, expected, rtol=1e-4, atol=1e-5)
    assert run.manifest.results == plain.manifest.results
    for name in run.done():
        maps, others = run.load_maps(name), plain.load_maps(name)
        np.testing.assert_array_equal(maps.gt, others.gt)
        np.testing.assert_array_equal(maps.image, others.image)
        assert maps.image.shape == IMAGE.shape
    # Whoever repeats the command goes on; other options are another run.
    assert "2 kept" in metaseg(*words, *options)[1]
    if options:
        assert "other settings" in refused(*words)


def test_options_that_were_not_given_stand_in_no_manifest(plain):
    names = {"source", "convention", "void", "connectivity", "labeller", "metrics"}
    assert set(plain.manifest.settings) == names


def test_options_that_were_given_stand_in_the_manifest(metaseg, tmp_path):
    folder = write(tmp_path / "a", lambda parts: renamed(changed(probs=np.log)(parts)))
    words = ["--logits", "--keys", "probs=softmax,gt=label", "--limit", 1]
    metaseg("extract", "--softmax", folder, "--out", tmp_path / "run", *words)
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["logits"] is True
    assert settings["keys"] == {"probs": "softmax", "gt": "label"}
    assert "channels_first" not in settings


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("probs", "probs=softmax,gt=label"),
        ("probs=", "probs=softmax,gt=label"),
        ("probs=a,", "probs=softmax,gt=label"),
        ("probs=a,probs=b", "probs=softmax,gt=label"),
        ("prob=a", "did you mean probs?"),
        ("gt=a", "--keys gt=NAME"),
    ],
)
def test_keys_that_name_nothing_are_refused(refused, tmp_path, keys, said):
    folder = write(tmp_path / "a")
    words = ("extract", "--softmax", folder, "--out", tmp_path / "run", "--on-error", "stop")
    assert said in refused(*words, "--keys", keys)


@pytest.mark.parametrize(
    "option", [["--logits"], ["--channels-first"], ["--keys", "gt=a"], ["--reduce-zero-label"]]
)
def test_options_of_dumps_are_refused_with_a_network(refused, tmp_path, option):
    words = ("--network", "mobilenetv2", "--cityscapes", tmp_path, "--out", tmp_path / "run")
    said = refused("extract", *words, *option)
    assert said.startswith(f"metaseg-tf: {option[0]}: expected --softmax ")


@pytest.mark.parametrize("verb", [["extract"], ["predict", "model.json"]])
@pytest.mark.parametrize(
    "option",
    [
        ["--output-stride", 8],
        ["--scales", 1],
        ["--flip"],
        ["--crop", "33x33"],
        ["--tile", 99],
        ["--overlap", 3],
        ["--input-range", "0..1"],
    ],
)
def test_options_of_networks_are_refused_with_dumps(refused, tmp_path, verb, option):
    said = refused(*verb, "--softmax", tmp_path, "--out", tmp_path / "run", *option)
    assert said.startswith(f"metaseg-tf: {option[0]}: expected --network NAME with it, got none")


def test_npy_is_judged_as_the_same_probabilities_elsewhere(metaseg, refused, plain, tmp_path):
    assert metaseg("fit", plain.path, "--out", tmp_path / "model.json")[0] == 0
    predict = ("predict", tmp_path / "model.json", "--out")
    metaseg(*predict, tmp_path / "a", "--softmax", tmp_path / "plain")
    turned = write(
        tmp_path / "npy",
        save=lambda file, probs, **_: np.save(file, first(np.log(probs))[None]),
        suffix=".npy",
    )
    words = (*predict, tmp_path / "b", "--softmax", turned, "--logits")
    assert "--channels-first" in refused(*words)
    words = (*predict, tmp_path / "c", *words[4:], "--channels-first")
    code, _, error = metaseg(*words)
    assert (code, error) == (0, "")
    ours, expected = (pd.read_csv(tmp_path / out / "judged.csv") for out in "ca")
    pd.testing.assert_frame_equal(ours, expected, rtol=1e-3, atol=1e-4)
    # Overlays lie on the photograph, where there is one.
    overlays = [(tmp_path / out / "overlays" / "s0.png").read_bytes() for out in "ca"]
    assert overlays[0] != overlays[1]


def test_what_is_left_out_of_a_folder_is_said_once(metaseg, tmp_path, caplog):
    folder = write(tmp_path / "dumps")
    (folder / "._s0.npz").write_bytes(b"\0\5\x16\7Mac OS X")
    (folder / "notes.txt").touch()
    assert metaseg("extract", "--softmax", folder, "--out", tmp_path / "run")[0] == 0
    (record,) = caplog.records
    assert "takes 2 softmax dumps, leaves out 1" in record.getMessage()


def test_classes_get_the_names_that_are_given(metaseg, tmp_path):
    dumps, names = write(tmp_path / "dumps"), [f"kind of thing {j}" for j in range(5)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    words = ("extract", "--softmax", dumps, "--out", tmp_path / "XC", "--classes")
    code, output, _ = metaseg(*words, tmp_path / "names.txt")
    assert code == 0
    assert "  kind of thing 4 " in output
    assert Run(tmp_path / "XC").classes.names == tuple(names)
    code, _, message = metaseg(*words, "cityscapes")
    assert code == 2
    assert "expected a name for each of 5 classes, got 19 names" in message


def test_classes_without_names_are_numbered(plain):
    assert plain.manifest.classes is None
    assert plain.classes.names == ("class 0", "class 1", "class 2", "class 3", "class 4")


def test_classes_of_cityscapes_have_names(refused, tmp_path):
    words = ("--network", "demo_xception", "--cityscapes", tmp_path, "--out", tmp_path / "XC")
    said = refused("extract", *words, "--classes", "cityscapes")
    assert "--classes: expected --softmax or --images with it" in said


@pytest.mark.parametrize(
    "option", [["--split", "val"], ["--city", "ulm"], ["--images", "."], ["--masks", "."]]
)
def test_options_of_other_data_are_refused_with_dumps(refused, tmp_path, option):
    said = refused("extract", "--softmax", tmp_path, "--out", tmp_path / "run", *option)
    assert said.startswith(f"metaseg-tf: {option[0]}: expected ")


def test_cityscapes_named_by_the_environment_is_no_option(metaseg, tmp_path, monkeypatch):
    monkeypatch.setenv("METASEG_TF_CITYSCAPES", str(tmp_path))
    words = ("extract", "--softmax", write(tmp_path / "a"), "--out", tmp_path / "run")
    assert metaseg(*words)[0] == 0
    code, _, said = metaseg(*words, "--cityscapes", tmp_path)
    assert code == 2
    assert "--cityscapes: expected --network NAME alone" in said
