"""Reading weights, and naming what is wrong with them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from deeplab_samples import SMALL, small_weights, write_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from training import scaled

from metaseg_tf.errors import DataFormatError, NetworkError
from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65, Architecture, Decoder
from metaseg_tf.networks.deeplab.model import variable_shapes
from metaseg_tf.networks.deeplab.weights import (
    check_weights,
    infer_architecture,
    load_weights,
    recognise_backbone,
    weights_from_graph_def,
)

KERNEL = "MobilenetV2/Conv/weights"


def constant(name, value):
    tensor = tf.make_tensor_proto(value)
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tensor)
    return node


class TestGraph:
    def test_only_variables_are_taken(self):
        value = np.arange(6, dtype=np.float32)
        nodes = [
            constant(KERNEL, value),
            constant("MobilenetV2/expanded_conv_7/depthwise/dilation_rate", [2, 2]),
            constant("MobilenetV2/Conv/BatchNorm/Const", 1.0),
            constant("ResizeBilinear_2/size", [65, 97]),
            tf.compat.v1.NodeDef(name=f"{KERNEL}/read", op="Identity", input=[KERNEL]),
            tf.compat.v1.NodeDef(name="logits/semantic/weights", op="Placeholder"),
        ]
        weights = weights_from_graph_def(tf.compat.v1.GraphDef(node=nodes))
        assert list(weights) == [KERNEL]
        np.testing.assert_array_equal(weights[KERNEL], value)

    def test_half_precision_becomes_float32(self):
        node = constant(KERNEL, np.ones(3, np.float16))
        weights = weights_from_graph_def(tf.compat.v1.GraphDef(node=[node]))
        assert weights[KERNEL].dtype == np.float32


class TestCheckpoint:
    def write(self, folder):
        variables = {
            KERNEL: np.random.default_rng(0).normal(size=(3, 3, 3, 32)).astype(np.float32),
            f"{KERNEL}/Momentum": np.zeros((3, 3, 3, 32), np.float32),
            f"{KERNEL}/ExponentialMovingAverage": np.zeros((3, 3, 3, 32), np.float32),
            "MobilenetV2/Conv/BatchNorm/beta": np.ones(32, np.float32),
            "global_step": np.int64(90_000),
        }
        write_checkpoint(folder / "model.ckpt", variables)
        return variables

    def test_slots_and_step_are_left_out(self, tmp_path):
        written = self.write(tmp_path)
        weights = load_weights(tmp_path / "model.ckpt")
        assert set(weights) == {KERNEL, "MobilenetV2/Conv/BatchNorm/beta"}
        np.testing.assert_array_equal(weights[KERNEL], written[KERNEL])

    @pytest.mark.parametrize("given", ["model.ckpt.index", "nothing"])
    def test_without_index(self, tmp_path, given):
        self.write(tmp_path)
        with pytest.raises(DataFormatError, match=rf"{given}: expected .*common prefix"):
            load_weights(tmp_path / given)

    @pytest.mark.parametrize("broken", ["model.ckpt.index", "model.ckpt.data-00000-of-00001"])
    @pytest.mark.parametrize("keep", [0, 0.5])
    def test_truncated(self, tmp_path, broken, keep):
        self.write(tmp_path)
        content = (tmp_path / broken).read_bytes()
        (tmp_path / broken).write_bytes(content[: int(len(content) * keep)])
        with pytest.raises(DataFormatError, match=r"model\.ckpt: .*download it again"):
            load_weights(tmp_path / "model.ckpt")

    def test_what_the_index_declares_must_be_there(self, tmp_path):
        self.write(tmp_path)
        data = tmp_path / "model.ckpt.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:100])
        with pytest.raises(DataFormatError, match="of 100 bytes at most"):
            load_weights(tmp_path / "model.ckpt")

    def test_an_index_of_endless_blocks(self, tmp_path):
        self.write(tmp_path)
        index = tmp_path / "model.ckpt.index"
        content = index.read_bytes()
        # The file ends with the places and sizes of two blocks, 40 bytes, and 8 that mark its kind.
        blocks = (b"\0\0\0" + b"\xff" * 8 + b"\x7f").ljust(40, b"\0")
        index.write_bytes(content[:-48] + blocks + content[-8:])
        with pytest.raises(DataFormatError, match=r"model\.ckpt: .*download it again"):
            load_weights(tmp_path / "model.ckpt")

    def test_weights_that_are_no_numbers(self, tmp_path):
        write_checkpoint(tmp_path / "model.ckpt", {KERNEL: np.array([b"text"])})
        with pytest.raises(DataFormatError, match="bytes of string"):
            load_weights(tmp_path / "model.ckpt")

    def test_without_data(self, tmp_path):
        self.write(tmp_path)
        (tmp_path / "model.ckpt.data-00000-of-00001").unlink()
        with pytest.raises(DataFormatError, match="download it again"):
            load_weights(tmp_path / "model.ckpt")


@pytest.mark.parametrize("name", SMALL)
class TestCheck:
    def check(self, name, changes):
        weights = {**small_weights(name), **changes}
        present = {key: value for key, value in weights.items() if value is not None}
        check_weights(variable_shapes(SMALL[name]), present)

    def test_complete_weights_pass(self, name):
        self.check(name, {})

    def test_foreign_scopes_are_not_looked_at(self, name):
        self.check(name, {"global/weights": np.zeros(3)})

    def test_missing_left_over_and_misshapen_are_named_at_once(self, name):
        changes = {
            "aspp0/weights": None,
            "decoder/other/weights": np.zeros(3),
            "logits/semantic/biases": np.zeros(9),
        }
        with pytest.raises(NetworkError) as caught:
            self.check(name, changes)
        message = str(caught.value)
        assert "missing aspp0/weights;" in message
        assert "left over decoder/other/weights;" in message
        assert "wrong shape logits/semantic/biases (given [9], expected [7])" in message
        assert "\n" not in message

    def test_long_lists_are_cut(self, name):
        names = [key for key in small_weights(name) if key.endswith("gamma")]
        with pytest.raises(NetworkError, match=rf"missing .* and {len(names) - 3} more"):
            self.check(name, dict.fromkeys(names))


multipliers = st.sampled_from([0.1, 0.125, 0.25, 0.35])
backbones = st.one_of(
    multipliers.map(partial(scaled, MOBILENETV2.backbone)),
    st.builds(
        lambda multiplier, units: scaled(XCEPTION65.backbone, multiplier, middle_units=units),
        multipliers,
        st.integers(1, 4),
    ),
)


def build(backbone, n_classes, depth, atrous, decoder):
    has_low_level = backbone.scope == "xception_65"
    return Architecture(backbone, n_classes, depth, atrous, decoder if has_low_level else None)


architectures = st.builds(
    build,
    backbones,
    st.integers(2, 30),
    st.sampled_from([8, 24]),
    st.booleans(),
    st.none() | st.builds(Decoder, st.integers(3, 9), st.integers(8, 20)),
)


@settings(deadline=None, max_examples=12)
@given(architecture=architectures)
def test_shapes_tell_the_architecture(architecture):
    assert infer_architecture(variable_shapes(architecture)) == architecture


@pytest.mark.parametrize("architecture", [MOBILENETV2, XCEPTION65], ids=["mn", "xc"])
def test_published_networks_are_recognised(architecture):
    shapes = variable_shapes(architecture)
    assert infer_architecture(shapes) == architecture
    assert recognise_backbone(shapes) == architecture.backbone.scope


def test_a_published_network_without_its_last_units_is_not_taken_for_a_shorter_one():
    backbone = replace(XCEPTION65.backbone, middle_units=14)
    shapes = variable_shapes(replace(XCEPTION65, backbone=backbone))
    assert infer_architecture(shapes) == XCEPTION65


@pytest.mark.parametrize(
    "parts",
    [("weights", "biases"), pytest.param("", marks=pytest.mark.long)],
    ids=["kernels", "all"],
)
@pytest.mark.parametrize("name", SMALL)
def test_any_one_weight_may_be_missing(name, parts):
    shapes = variable_shapes(SMALL[name])
    for missing in filter(lambda key: key.endswith(parts), shapes):
        inferred = infer_architecture({key: shapes[key] for key in shapes if key != missing})
        assert inferred == SMALL[name] or missing in variable_shapes(inferred)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["resnet_v1/conv1/weights", "logits/semantic/weights"], "found logits, resnet_v1"),
        ([], "found no variables"),
        (["MobilenetV2/Conv/weights", "xception_65/x/weights"], "found MobilenetV2, xception_65"),
    ],
)
def test_other_networks_are_refused(names, found):
    with pytest.raises(NetworkError, match=found):
        recognise_backbone(names)
