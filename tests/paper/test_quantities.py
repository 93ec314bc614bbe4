import pytest

from metaseg_tf.paper.published import (
    ALL_SEGMENTS,
    MIOU,
    PUBLISHED,
    PublishedNumber,
    Quantity,
    find_published,
)


@pytest.mark.parametrize("number", PUBLISHED)
def test_quantities_survive_their_text(number):
    assert Quantity.parse(str(number.quantity)) == number.quantity
    assert PublishedNumber.from_json(number.to_json()) == number


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (MIOU, "miou"),
        (ALL_SEGMENTS, "all_segments"),
        (Quantity.correlation("E_rel_in"), "E_rel_in"),
        (Quantity("iou", "all", "r2", "train"), "iou/all/r2/train"),
        (Quantity("iou", "all", "r2", "train", clipped=True), "clipped/iou/all/r2/train"),
    ],
)
def test_texts_are_those_of_files_and_screen(quantity, text):
    assert str(quantity) == text
    assert Quantity.parse(text) == quantity


@pytest.mark.parametrize("text", ["", "a/b", "iou/all/r2/train/more"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="expected target/model/score/part"):
        Quantity.parse(text)


def test_numbers_are_found_by_quantity_and_by_its_text():
    assert find_published("section 3", "XC", MIOU) is find_published("section 3", "XC", "miou")
