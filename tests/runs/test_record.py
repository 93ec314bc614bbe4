"""A run recorded from a loop is the run that extract makes of the same arrays on disk."""

import threading

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from killable import kill_at_step_of_recording, spawn
from pandas.testing import assert_frame_equal
from scenes import make_scene, probability_maps

import metaseg_tf
from metaseg_tf.data.classes import CITYSCAPES, ClassTable
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.errors import (
    DataFormatError,
    InputError,
    RunError,
    SettingsMismatchError,
    ShapeError,
)
from metaseg_tf.runs import record as module
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
from metaseg_tf.runs.run import Run

SCENES = {f"image{i}": make_scene(seed=i) for i in range(4)}
NAMES = ["road", "wall", "pole", "sky", "car"]


def photograph(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (40, 60, 3), np.uint8)


def record_all(path, scenes=SCENES, **options):
    with metaseg_tf.record(path, **options) as run:
        add_all(run, scenes)
    return Run(path)


def add_all(run, scenes):
    for name, arrays in scenes.items():
        run.add(name, *arrays)


def table_of(probs, gt=None, **options):
    return metaseg_tf.segment_metrics(probs, gt, **options)


def loaded(path, name):
    table = metaseg_tf.load_run(path)
    return table[table.image == name].drop(columns="image").reset_index(drop=True)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run"


@pytest.mark.parametrize(
    "options",
    [{}, {"convention": "paper", "connectivity": 4, "void": 254, "metrics": "all"}],
    ids=["defaults", "other"],
)
def test_it_is_the_run_that_extract_makes_of_dumps(tmp_path, options):
    scenes = {
        name: (probs, np.where(gt == 255, options.get("void", 255), gt), photograph())
        for name, (probs, gt) in SCENES.items()
    }
    for name, (probs, gt, image) in scenes.items():
        save_dump(tmp_path / f"{name}.npz", SoftmaxDump(probs, gt, name, image))
    source, measured = open_dumps(tmp_path), MeasureSettings(**options)
    extracted = open_run(tmp_path / "extracted", source, measured)
    list(extract(source, extracted, measured, keep_maps=2))
    recorded = record_all(tmp_path / "recorded", scenes, keep_maps=2, **options)
    for load in (metaseg_tf.load_run, metaseg_tf.load_truth):
        assert_frame_equal(load(recorded.path), load(extracted.path))
    ours, theirs = recorded.manifest, extracted.manifest
    assert ours.results == theirs.results
    assert ours.results["images"] == 4
    assert ours.n_classes == theirs.n_classes == 5
    assert ours.settings | {"source": "softmax"} == theirs.settings
    assert recorded.with_maps() == extracted.with_maps() == {"image0", "image1"}
    for file in ("image0.npz", "image1.jpg"):
        ours, theirs = (run.path / "maps" / file for run in (recorded, extracted))
        assert ours.read_bytes() == theirs.read_bytes()


def test_without_truth_there_is_none(out):
    run = record_all(out, {name: (probs,) for name, (probs, _) in SCENES.items()})
    assert "iou" not in metaseg_tf.load_run(out)
    assert run.manifest.results == {}


@pytest.mark.parametrize(
    "classes",
    [NAMES, ClassTable(tuple(NAMES)), "names.txt", [{"name": name} for name in NAMES]],
    ids=["list", "table", "file", "objects"],
)
def test_classes_are_named(tmp_path, monkeypatch, out, classes):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    assert record_all(out, classes=classes).classes.names == tuple(NAMES)


def test_classes_can_be_built_in(out):
    with metaseg_tf.record(out, "cityscapes"):
        pass
    assert Run(out).classes == CITYSCAPES


def test_names_that_are_not_those_of_the_run_are_refused(out):
    record_all(out)
    with (
        pytest.raises(InputError, match="expected a name for each of 5 classes, got 19 names"),
        metaseg_tf.record(out, "cityscapes"),
    ):
        pass
    with pytest.raises(DataFormatError, match="nothing"), metaseg_tf.record(out, "nothing"):
        pass


def test_what_a_run_holds_is_passed_over(out):
    first = dict(list(SCENES.items())[:2])
    record_all(out, first)
    with metaseg_tf.record(out) as run:
        asked = [name for name in SCENES if name not in run]
        assert asked == ["image2", "image3"]
        for name in first:
            run.add(name, None)
        for name in asked:
            run.add(name, *SCENES[name])
            assert name in run
    assert Run(out).manifest.results["images"] == 4
    assert_frame_equal(loaded(out, "image1"), table_of(*SCENES["image1"]))


def test_an_exception_in_the_loop_keeps_what_is_measured(out, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    measure_job = module.extraction.measure_job

    def measure(job, *args):
        if job.name == "image2":
            begun.set()
            go_on.wait(60)
        return measure_job(job, *args)

    monkeypatch.setattr(module.extraction, "measure_job", measure)
    with pytest.raises(ZeroDivisionError), metaseg_tf.record(out) as run:  # noqa: PT012
        for name, arrays in SCENES.items():
            run.add(name, *arrays)
        begun.wait(60)
        threading.Timer(0.2, go_on.set).start()
        1 / 0  # noqa: B018
    # image2 was being measured, image3 waited.
    assert Run(out).done() == {"image0", "image1", "image2"}
    assert Run(out).manifest.results == {}
    record_all(out)
    assert Run(out).manifest.results["images"] == 4


def test_a_killed_loop_goes_on(tmp_path):
    """At the last step of writing the first table, and when it is there."""
    expected = record_all(tmp_path / "whole").manifest
    for step in (8, 16):
        out = tmp_path / str(step)
        process = spawn(kill_at_step_of_recording, step, out)
        process.join()
        assert process.exitcode == -9
        held = Run(out).done()
        assert ("image0" in held) == (step > 8)
        for name in held:
            assert_frame_equal(loaded(out, name), table_of(*SCENES[name]))
        assert record_all(out).manifest == expected
        assert_frame_equal(metaseg_tf.load_run(out), metaseg_tf.load_run(tmp_path / "whole"))


def test_a_name_is_given_once(out):
    with metaseg_tf.record(out) as run:
        run.add("image0", *SCENES["image0"])
        with pytest.raises(InputError, match=r"image 'image0': .* got it twice; rename one"):
            run.add("image0", *SCENES["image1"])
    with metaseg_tf.record(out) as run:
        run.add("image0", *SCENES["image0"])
        with pytest.raises(InputError, match="got it twice"):
            run.add("image0", *SCENES["image0"])
    assert_frame_equal(loaded(out, "image0"), table_of(*SCENES["image0"]))


PROBS, GT = SCENES["image0"]
AT_ONCE = {
    "name of a batch": ((["a"], PROBS), {}, InputError, r"expected a name .* got \"\['a'\]\""),
    "name with slash": (("a/b", PROBS), {}, InputError, "without slashes"),
    "batch": (("a", np.stack([PROBS, PROBS])), {}, ShapeError, "one image at a time"),
    "one channel": (("a", PROBS[..., :1]), {}, ShapeError, r"pass \[1-p, p\]"),
    "integers": (("a", PROBS.astype(int)), {}, InputError, "float32 or float64, got int64"),
    "symbol": (("a", object()), {}, InputError, "got object"),
    "layout": (("a", PROBS), {"layout": "hwc"}, InputError, "'HWC' or 'CHW', got 'hwc'"),
    "channels first": (
        ("a", PROBS.transpose(2, 0, 1)),
        {},
        ShapeError,
        "expected 5 classes as in the run, got 60 by layout='HWC'; give another layout",
    ),
    "channels last": (("a", PROBS), {"layout": "CHW"}, ShapeError, "got 40 by layout='CHW'"),
    "truth of another size": (("a", PROBS, GT[:20]), {}, ShapeError, r"gt: expected .*\[40, 60\]"),
    "truth of other ids": (("a", PROBS, GT + 5), {}, InputError, "gt: expected ids 0..4 or 255"),
    "image of floats": (("a", PROBS, GT, photograph() / 255), {}, ShapeError, "not normalised"),
    "small image": (("a", PROBS, GT, photograph()[1:]), {}, ShapeError, r"image: .*\[40, 60, 3\]"),
}


@pytest.mark.parametrize(("args", "options", "kind", "match"), AT_ONCE.values(), ids=AT_ONCE)
def test_what_cannot_be_measured_is_refused_at_once(out, args, options, kind, match):
    with metaseg_tf.record(out) as run:
        run.add("first", PROBS, GT)
        run.add("second", PROBS, GT)
        with pytest.raises(kind, match=match) as error:
            run.add(*args, **options)
        assert "\n" not in str(error.value)
        assert isinstance(args[0], list) or args[0] not in run
        run.add("third", PROBS, GT)
    assert Run(out).done() == {"first", "second", "third"}


NAN = np.where(np.arange(60)[:, None] == 7, np.nan, PROBS).astype(np.float32)
LATE = {
    "NaN": (NAN, {}, r"image 'bad': probs: expected finite values, got nan at pixel \(0, 7\)"),
    "scores": (np.log(PROBS), {}, "image 'bad': .*softmax.*logits=True"),
    "no softmax": (PROBS * 2, {}, "image 'bad': .*summing to 1"),
    "no logits": (PROBS, {"logits": True}, "image 'bad': expected logits, got probabilities"),
    "layout": (np.ones((9, 4, 5)) / 9, {}, "image 'bad': .*layout='CHW'"),
}


@pytest.mark.parametrize(("probs", "options", "match"), LATE.values(), ids=LATE)
def test_a_bad_image_is_named_by_the_next_call(out, probs, options, match):
    with metaseg_tf.record(out) as run:
        run.add("bad", probs, **options)
        with pytest.raises(InputError, match=match):
            run.add("image0", *SCENES["image0"])
        assert "bad" not in run
        run.add("bad", *SCENES["image1"])
        run.add("image0", *SCENES["image0"])
    assert Run(out).done() == {"bad", "image0"}


def test_a_bad_image_at_the_end_is_named_when_all_is_done(out):
    both = r"image 'bad': probs: .*; image 'worse': probs: expected finite"
    with pytest.raises(InputError, match=both), metaseg_tf.record(out, NAMES) as run:
        add_all(run, {"image0": SCENES["image0"], "bad": (NAN,), "worse": (NAN,)})
    assert Run(out).done() == {"image0"}
    assert Run(out).manifest.results["images"] == 1


def test_a_second_network_is_refused(out):
    record_all(out)
    with metaseg_tf.record(out) as run, pytest.raises(ShapeError, match=r"5 classes .* got 4"):
        run.add("other", *make_scene(n_classes=4))


def test_the_first_image_alone_gives_the_number_of_classes(out):
    with pytest.raises(ShapeError, match=r"5 classes .* got 4"), metaseg_tf.record(out) as run:
        add_all(run, {"one": make_scene(), "two": make_scene(n_classes=4)})
    assert set(metaseg_tf.load_run(out).image) == {"one"}


def test_other_settings_are_refused(out):
    record_all(out)
    with (
        pytest.raises(SettingsMismatchError, match="connectivity 8 there, 4 now"),
        metaseg_tf.record(out, connectivity=4),
    ):
        pass
    with pytest.raises(InputError, match="convention"), metaseg_tf.record(out, convention="x"):
        pass


def test_only_one_loop_records(out):
    with metaseg_tf.record(out) as run:
        with pytest.raises(RunError, match="another process is writing"), metaseg_tf.record(out):
            pass
        run.add("image0", *SCENES["image0"])
    record_all(out)


def test_after_with_nothing_is_added(out):
    with metaseg_tf.record(out) as run:
        pass
    with pytest.raises(RunError, match="image 'image0': got after 'with' was left"):
        run.add("image0", *SCENES["image0"])
    assert "image0" not in run


def test_a_run_that_cannot_be_written_is_said(out, monkeypatch):
    monkeypatch.setattr(Run, "write_segments", refuse)
    with pytest.raises(RunError, match="cannot be written"):
        record_all(out, classes=NAMES)
    monkeypatch.undo()
    record_all(out)


def refuse(*_):
    raise RunError("run: cannot be written (No space left on device)")


class Lent:
    """An array that is reached by DLPack alone, as those of other libraries."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Elsewhere(Lent):
    def __dlpack__(self, **_):
        raise BufferError("Unsupported device")


CONVERSIONS = {
    "numpy": np.array,
    "list": np.ndarray.tolist,
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "TensorFlow": tf.constant,
    "variable": tf.Variable,
    "DLPack": lambda array: Lent(array.copy()),
}


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_arrays_of_any_library(out, convert):
    probs, gt, image = *SCENES["image0"], photograph()
    image = image if convert is np.ndarray.tolist else convert(image)
    if convert is np.ndarray.tolist:
        image = None
    with metaseg_tf.record(out) as run:
        run.add("a", convert(probs), convert(gt.astype(np.int64)), image)
    assert_frame_equal(loaded(out, "a"), table_of(*SCENES["image0"]), rtol=1e-6)
    assert (Run(out).load_maps("a").image is None) == (image is None)


@pytest.mark.parametrize("layout", ["HWC", "CHW"])
def test_passes_over_an_image_are_listed(out, layout):
    probs, gt = SCENES["image0"]
    passes = [probs, probs[::-1], probs[:, ::-1]]
    turned = [one.transpose(2, 0, 1) for one in passes] if layout == "CHW" else passes
    with metaseg_tf.record(out, layout=layout, metrics="disagreement") as run:
        run.add("a", turned, gt)
        with pytest.raises(ShapeError, match=r"passes of one shape, got .*list one image's"):
            run.add("b", [turned[0], turned[0][1:]])
        with pytest.raises(ShapeError, match="got none"):
            run.add("b", [])
    expected = metaseg_tf.segment_metrics(np.stack(passes), gt, metrics="disagreement")
    assert_frame_equal(loaded(out, "a"), expected)
    assert expected["I"].max() > 0.01
    assert Run(out).load_maps("a").mutual_information is not None


def test_what_cannot_be_read_is_said(out):
    @tf.function
    def trace(x):
        with pytest.raises(InputError, match=r"image 'a': probs: .*symbolic.*; convert it to one"):
            run.add("a", x)
        return x

    with metaseg_tf.record(out) as run:
        trace(tf.constant(PROBS))
        with pytest.raises(InputError, match=r"got Elsewhere .*Unsupported device"):
            run.add("a", Elsewhere(PROBS))
        with pytest.raises(InputError, match="inhomogeneous"):
            run.add("a", [[1, 2], [3]])


def bfloat16(array):
    return tf.cast(array, tf.bfloat16)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, bfloat16])
def test_other_floats(out, dtype):
    convert = dtype if dtype is bfloat16 else lambda array: array.astype(dtype)
    with metaseg_tf.record(out) as run:
        run.add("a", convert(PROBS), GT)
    expected = np.asarray(convert(PROBS))
    expected = expected if expected.dtype.kind == "f" else expected.astype(np.float32)
    assert_frame_equal(loaded(out, "a"), table_of(expected, GT))


@pytest.mark.parametrize("batch", [False, True], ids=["image", "batch"])
@pytest.mark.parametrize("logits", [False, True], ids=["probabilities", "logits"])
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("where", ["record", "add"])
def test_layout_and_logits_as_extract_reads_them(tmp_path, out, where, layout, logits, batch):
    given = np.log(PROBS) + 3 if logits else PROBS
    given = given.transpose(2, 0, 1) if layout == "CHW" else given
    given, image = np.ascontiguousarray(given), photograph()
    dump = SoftmaxDump(given, None, "a")
    save_dump(tmp_path / "a.npz", dump)
    read = metaseg_tf.load_dump(tmp_path / "a.npz", logits=logits, channels_first=layout == "CHW")
    image = image.transpose(2, 0, 1) if layout == "CHW" else image
    arrays = [array[None] if batch else array for array in (given, GT, image)]
    options = {"layout": layout, "logits": logits}
    with metaseg_tf.record(out, **(options if where == "record" else {})) as run:
        run.add("a", *arrays, **(options if where == "add" else {}))
    assert_frame_equal(loaded(out, "a"), table_of(read.probs, GT))
    assert Run(out).load_maps("a").image.shape == (40, 60, 3)


def test_what_differs_in_one_image_is_said_with_it(out):
    with metaseg_tf.record(out, layout="CHW", logits=True) as run:
        run.add("a", PROBS, layout="HWC", logits=False)
        run.add("b", np.log(PROBS).transpose(2, 0, 1))
    assert_frame_equal(loaded(out, "a"), table_of(PROBS))
    assert_frame_equal(loaded(out, "b"), table_of(PROBS), atol=1e-6)


@pytest.mark.parametrize("lend", [np.asarray, Lent, lambda x: x.transpose(2, 0, 1)])
def test_the_loop_may_write_to_its_arrays_again(out, lend):
    buffer, truth, image = PROBS.copy(), GT.copy(), photograph()
    options = {
        "layout": "HWC" if lend(buffer) is buffer or isinstance(lend(buffer), Lent) else "CHW"
    }
    go_on = threading.Event()
    with metaseg_tf.record(out, NAMES) as run:
        run._pool.submit(go_on.wait, 60)
        run.add("a", lend(buffer), truth, image, **options)
        buffer[:], truth[:], image[:] = 0, 0, 0
        go_on.set()
    assert_frame_equal(loaded(out, "a"), table_of(PROBS, GT))
    assert Run(out).load_maps("a").image.any()


def test_a_loop_that_is_ahead_waits(out, monkeypatch):
    """Three images are held at most, and all threads are used for each that another one follows."""
    taken, measured, held, threads = [], [], [], []
    take, measure_job = module.Recording._take, module.extraction.measure_job

    def count_taken(self, *args):
        sample = take(self, *args)
        taken.append(sample.name)
        held.append(len(taken) - len(measured))
        return sample

    def measure(job, *args):
        threads.append(job.threads)
        result = measure_job(job, *args)
        measured.append(job.name)
        return result

    monkeypatch.setattr(module.Recording, "_take", count_taken)
    monkeypatch.setattr(module.extraction, "measure_job", measure)
    go_on = threading.Event()
    threading.Timer(1, go_on.set).start()
    with metaseg_tf.record(out, NAMES) as run:
        run._pool.submit(go_on.wait, 60)
        add_all(run, {str(i): SCENES["image0"] for i in range(8)})
    assert max(held) == 3
    assert threads == [None] * 8


def test_a_loop_that_is_slower_shares_the_cores(out, monkeypatch):
    threads, done = [], threading.Semaphore(0)
    measure_job = module.extraction.measure_job

    def measure(job, *args):
        threads.append(job.threads)
        result = measure_job(job, *args)
        done.release()
        return result

    monkeypatch.setattr(module.extraction, "measure_job", measure)
    monkeypatch.setattr(module, "count_threads", lambda: 6)
    with metaseg_tf.record(out, NAMES) as run:
        for name, arrays in SCENES.items():
            run.add(name, *arrays)
            assert done.acquire(timeout=60)
    assert threads == [3] * 4


def test_maps_are_kept_of_so_many(out):
    record_all(out, {name: SCENES[name] for name in ("image0", "image1")}, keep_maps=3)
    assert record_all(out, keep_maps=3).with_maps() == {"image0", "image1", "image2"}


def test_a_recorded_run_is_a_run(out):
    """Tables, figures and meta models take it, with the names of its classes."""
    scenes = {f"{i}": (*make_scene(seed=i), photograph(i)) for i in range(6)}
    run = record_all(out, scenes, classes=NAMES)
    table = metaseg_tf.load_run(out)
    assert f"run: {len(table)} segments" in metaseg_tf.make_table(1, [run]).caption
    assert all(path.stat().st_size for path in metaseg_tf.make_figure(4, [run]))
    model = metaseg_tf.fit_meta_model(table, manifest=run.manifest)
    assert model.classes.names == tuple(NAMES)


@settings(max_examples=25)
@given(st.lists(probability_maps(), min_size=1, max_size=4), st.data())
def test_any_images_in_any_number_of_starts(tmp_path_factory, images, data):
    """Whichever are there already, and whenever the loop stops, in the end all are."""
    out = tmp_path_factory.mktemp("runs") / "run"

    def record_until(stop):
        with metaseg_tf.record(out, keep_maps=1) as run:
            for i, probs in enumerate(images):
                if i == stop:
                    raise InterruptedError
                if f"{i}" not in run:
                    run.add(f"{i}", probs)

    for _ in range(2):
        with pytest.raises(InterruptedError):
            record_until(data.draw(st.integers(0, len(images) - 1)))
    record_until(None)
    for i, probs in enumerate(images):
        assert_frame_equal(loaded(out, f"{i}"), table_of(probs))
    assert Run(out).with_maps() == {"0"}
