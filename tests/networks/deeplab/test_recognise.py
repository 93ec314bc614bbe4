"""Architectures read back from the shapes of their variables."""

from dataclasses import replace

import pytest
from deeplab_samples import SMALL
from hypothesis import given, settings
from hypothesis import strategies as st

from metaseg_tf.errors import NetworkError
from metaseg_tf.networks.deeplab.architecture import MOBILENETV2, XCEPTION65, Architecture, Decoder
from metaseg_tf.networks.deeplab.model import variable_shapes
from metaseg_tf.networks.deeplab.recognise import infer_architecture, recognise_backbone

multipliers = st.sampled_from([0.1, 0.125, 0.25, 0.35])
backbones = st.one_of(
    multipliers.map(MOBILENETV2.backbone.scaled),
    st.builds(
        lambda multiplier, units: XCEPTION65.backbone.scaled(multiplier, middle_units=units),
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


@pytest.mark.parametrize("name", SMALL)
def test_any_one_weight_may_be_missing(name):
    shapes = variable_shapes(SMALL[name])
    for missing in shapes:
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
