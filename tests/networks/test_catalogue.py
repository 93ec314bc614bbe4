"""The catalogue says what the paper and upstream's zoo say."""

import pytest

from metaseg_tf.errors import DataFormatError, InputError
from metaseg_tf.networks import catalogue
from metaseg_tf.networks.catalogue import CATALOGUE, MOBILENETV2, XCEPTION65, find


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_the_settings_are_those_of_the_zoo_row_with_the_paper_s_miou(entry):
    (row,) = (row for row in entry.zoo if row.miou == entry.paper_miou)
    settings = entry.settings
    assert (settings.output_stride, settings.scales, settings.flip) == (
        row.output_stride,
        row.scales,
        row.flip,
    )


def test_figures_of_section_3():
    assert (MOBILENETV2.paper_miou, XCEPTION65.paper_miou) == (0.7071, 0.8042)
    assert (MOBILENETV2.settings.output_stride, XCEPTION65.settings.output_stride) == (16, 8)
    assert XCEPTION65.settings.scales == (0.75, 1.0, 1.25)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("mobilenet", "mobilenetv2"), ("Xception_65", "xception65"), ("xception", "xception65")],
)
def test_near_names_are_suggested(typed, meant):
    with pytest.raises(InputError, match=f"did you mean {meant}"):
        find(typed)


def test_names_far_from_any_get_all():
    with pytest.raises(InputError, match="mobilenetv2, xception65, got"):
        find("resnet")
    assert find("xception65") is XCEPTION65


def test_the_folder_is_the_given_one_then_the_variable_s_then_the_repository_s(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert catalogue.checkpoint_folder(tmp_path / "given") == tmp_path / "given"
    assert catalogue.checkpoint_folder() == tmp_path / "variable"
    monkeypatch.delenv(catalogue.FOLDER_VARIABLE)
    assert (catalogue.checkpoint_folder() / "README.md").is_file()


def test_outside_of_a_repository_the_folder_is_the_user_s_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(catalogue.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "site/package/deeplab/x.py"))
    assert catalogue.checkpoint_folder().name == "metaseg_tf"


def test_the_prefix_of_an_unpacked_checkpoint_is_found(tmp_path):
    inner = tmp_path / MOBILENETV2.folder / "deeplabv3_mnv2_cityscapes_train"
    with pytest.raises(DataFormatError, match="checkpoints download mobilenetv2"):
        catalogue.checkpoint_path(MOBILENETV2, tmp_path)
    inner.mkdir(parents=True)
    (inner / "model.ckpt.index").touch()
    assert catalogue.checkpoint_path(MOBILENETV2, tmp_path) == inner / "model.ckpt"
