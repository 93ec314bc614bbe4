import pandas as pd
from scenes import make_scene

from metaseg_tf import load_run
from metaseg_tf.data.softmax import SoftmaxDump, save_dump


def test_a_packed_run_reads_the_same_and_goes_on(metaseg, tmp_path):
    out = tmp_path / "run"
    words = ("extract", "--softmax", tmp_path, "--out", out)
    for i in range(5):
        save_dump(tmp_path / f"{i}.npz", SoftmaxDump(*make_scene(seed=i), f"image{i}"))
    metaseg(*words, "--limit", 4)
    table = load_run(out)
    code, output, _ = metaseg("compact", out, "--images", 3)
    assert code == 0
    assert "4 images packed, 4 in the run" in output
    pd.testing.assert_frame_equal(load_run(out), table)
    assert "1 image measured" in metaseg(*words)[1]
    assert "1 image packed, 5 in the run" in metaseg("compact", out)[1]


def test_a_folder_that_is_no_run_is_refused(refused, tmp_path):
    assert "expected a run folder" in refused("compact", tmp_path / "nowhere")


def test_workers_and_a_scheduler_exclude_each_other(refused, tmp_path):
    save_dump(tmp_path / "0.npz", SoftmaxDump(*make_scene(), "image0"))
    words = ("extract", "--softmax", tmp_path, "--out", tmp_path / "run")
    assert "got both" in refused(*words, "--workers", 2, "--scheduler", "tcp://localhost:1")
    assert "GPU=1" in refused(*words, "--workers", 2, "--worker-resources", "GPU")
