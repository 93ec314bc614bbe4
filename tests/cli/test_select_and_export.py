import json

import pandas as pd
import pytest
from mapped_runs import make_judged
from PIL import Image


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    return make_judged(tmp_path_factory.mktemp("select") / "judged", (1, 2), keep=0).path


def test_what_is_selected_can_be_exported(metaseg, judged, tmp_path):
    code, output, _ = metaseg("select", judged, "--budget", "20clicks")
    assert code == 0
    chosen = pd.read_csv(judged / "selection.csv")
    said = f"{len(chosen)} segments in {chosen['image'].nunique()} image"
    assert said in output
    assert f"about {chosen['clicks'].sum()} clicks" in output
    assert f"{chosen['expected_wrong'].sum():.0f} wrong pixels expected" in output
    for name in ("street 1", "street 2"):
        (tmp_path / "city").mkdir(exist_ok=True)
        Image.new("RGB", (90, 60)).save(tmp_path / "city" / f"{name}.jpg")
    words = ("--selection", judged / "selection.csv", "--images", tmp_path / "city")
    code, output, _ = metaseg("export", judged, "--to", "coco", *words, "--prefix", "s3://b/")
    assert code == 0
    assert output == f"wrote {judged / 'export' / 'coco.json'}\n"
    content = json.loads((judged / "export" / "coco.json").read_text())
    assert len(content["annotations"]) == len(chosen)
    assert {i["file_name"] for i in content["images"]} <= {
        f"s3://b/{name}.jpg" for name in ("street 1", "street 2")
    }
    assert metaseg("select", judged, "--budget", "1images")[1].startswith("1 image, about ")
    assert len(pd.read_csv(judged / "selection.csv")) == 1


@pytest.mark.parametrize("budget", ["5", "0clicks", "images", "5pixels"])
def test_budgets_without_amount_or_unit_are_refused(refused, judged, budget):
    assert "such as 500clicks or 20images" in refused("select", judged, "--budget", budget)


def test_other_files_are_no_selection(refused, judged, tmp_path):
    words = ("export", judged, "--to", "cvat", "--selection", tmp_path / "x.csv")
    assert "expected a selection.csv" in refused(*words)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert "expected a selection.csv" in refused(*words)
    (tmp_path / "x.csv").write_text("image,segment\nstreet 1,99999\n")
    assert "select from this folder" in refused(*words)
    assert "to: expected one of coco, label-studio, cvat" in refused("export", judged, "--to", "x")
