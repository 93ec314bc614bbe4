"""First weights, views and batches, and steps of training at tiny size against plain numpy."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from deeplab_samples import CROP as SAMPLE_CROP
from deeplab_samples import SMALL, layer_weights, random_weights, small_weights, smooth_image
from export import export_frozen_graph
from hypothesis import given
from hypothesis import strategies as st
from training import (
    BRIGHTNESS,
    CONTRAST,
    Schedule,
    Trainer,
    TrainingLayers,
    augment,
    balance_classes,
    compute_loss,
    count_multiply_adds,
    initial_weights,
    make_batches,
    make_variables,
    round_depth,
    scaled,
)

from metaseg_tf.data.classes import VOID
from metaseg_tf.errors import InputError
from metaseg_tf.networks.deeplab.backbones import MOBILENETV2, XCEPTION65, Decoder
from metaseg_tf.networks.deeplab.layers import InferenceLayers, batch_norm_names, resize_bilinear
from metaseg_tf.networks.deeplab.model import (
    RebuiltNetwork,
    compute_logits,
    normalise,
    variable_shapes,
)
from metaseg_tf.networks.network import load_network
from metaseg_tf.networks.options import NetworkOptions


@pytest.mark.parametrize("make", [initial_weights, random_weights])
@pytest.mark.parametrize("name", SMALL)
def test_there_is_one_weight_for_each_variable_and_a_seed_repeats_it(name, make):
    first, again, other = (make(SMALL[name], seed) for seed in (3, 3, 4))
    assert {key: value.shape for key, value in first.items()} == variable_shapes(SMALL[name])
    assert {value.dtype for value in first.values()} == {np.dtype(np.float32)}
    assert all(np.allclose(first[key], again[key], rtol=1e-3, atol=1e-4) for key in first)
    assert not np.allclose(first["aspp0/weights"], other["aspp0/weights"])


def test_initial_kernels_keep_the_variance_and_normalisation_is_the_identity():
    weights = initial_weights(SMALL["mobilenetv2"], seed=0)
    kernel = weights["MobilenetV2/expanded_conv_16/expand/weights"]
    assert kernel.std() == pytest.approx(np.sqrt(2 / kernel.shape[2]), rel=0.05)
    norm = [np.unique(weights[f"aspp0/BatchNorm/{part}"]) for part in ("gamma", "moving_variance")]
    assert norm == [1.0, 1.0]
    assert not weights["aspp0/BatchNorm/beta"].any()


@pytest.fixture(scope="module", autouse=True)
def unoptimised():
    """TensorFlow's graph optimiser takes longer than the few steps that are taken here."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


CITYSCAPES = (1025, 2049)
THREE_SCALES = (0.75, 1.0, 1.25)


@pytest.mark.parametrize(
    ("architecture", "settings", "giga"),
    [
        (MOBILENETV2, (16,), 21.2),
        (MOBILENETV2, (8, THREE_SCALES, True), 433),
        (XCEPTION65, (16,), 418),
        (XCEPTION65, (8, THREE_SCALES, True), 8676),
    ],
    ids=["mn-16", "mn-8-multi", "xc-16", "xc-8-multi"],
)
def test_published_multiply_adds(architecture, settings, giga):
    assert count_multiply_adds(architecture, CITYSCAPES, *settings) / 1e9 == pytest.approx(
        giga, rel=2e-3
    )


@pytest.mark.parametrize(("depth", "rounded"), [(8, 8), (3, 8), (11.2, 16), (91, 88), (33.6, 32)])
def test_depths_are_rounded_to_eights(depth, rounded):
    assert round_depth(depth) == rounded


def test_scaling_by_one_changes_nothing():
    for network in (MOBILENETV2, XCEPTION65):
        assert scaled(network.backbone, 1.0) == network.backbone


class TestTraining:
    x = np.random.default_rng(2).normal(3, 2, (4, 9, 9, 4)).astype(np.float32)

    def layers(self, momentum):
        variables = make_variables(layer_weights("layer/weights", (1, 1, 4, 6), 6))
        return variables, TrainingLayers(variables, momentum=momentum)

    def test_the_batch_is_normalised_by_its_own_statistics(self):
        variables, layers = self.layers(0.9)
        y = layers.conv(self.x, "layer", 6).numpy()
        gamma, beta, _, _ = (variables[name].numpy() for name in batch_norm_names("layer"))
        np.testing.assert_allclose(y.mean((0, 1, 2)), beta, atol=1e-4)
        np.testing.assert_allclose(y.std((0, 1, 2)), gamma, rtol=1e-3)

    def test_moving_statistics_keep_the_share_of_momentum(self):
        variables, layers = self.layers(0.75)
        mean = batch_norm_names("layer")[2]
        before = variables[mean].numpy()
        layers.conv(self.x, "layer", 6)
        batch = (self.x @ variables["layer/weights"].numpy()[0, 0]).mean((0, 1, 2))
        expected = 0.75 * before + 0.25 * batch
        np.testing.assert_allclose(variables[mean].numpy(), expected, rtol=1e-4, atol=1e-5)

    def test_without_momentum_inference_repeats_the_training_batch(self):
        variables, layers = self.layers(0.0)
        trained = layers.conv(self.x, "layer", 6)
        weights = {name: variable.numpy() for name, variable in variables.items()}
        # The moving variance is the unbiased one: 1 part in 2 * 324 more.
        np.testing.assert_allclose(
            InferenceLayers(weights).conv(self.x, "layer", 6), trained, atol=2e-2
        )

    def test_moving_statistics_are_not_trainable(self):
        variables, _ = self.layers(0.9)
        fixed = {name for name, variable in variables.items() if not variable.trainable}
        assert fixed == set(batch_norm_names("layer")[2:])


@pytest.mark.parametrize("name", SMALL)
def test_every_trainable_weight_gets_a_gradient_and_the_loss_falls(name):
    architecture = replace(SMALL[name], n_classes=3)
    variables = make_variables(initial_weights(architecture, seed=0))
    layers = TrainingLayers(variables)
    trainable = [variable for variable in variables.values() if variable.trainable]
    images = np.stack([smooth_image(33, 33, seed) for seed in range(4)])
    labels = images.argmax(-1)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            x = normalise(tf.cast(images, tf.float32))
            logits = resize_bilinear(compute_logits(architecture, layers, x, 16), (33, 33))
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        gradients = tape.gradient(loss, trainable)
        assert None not in gradients
        for variable, gradient in zip(trainable, gradients, strict=True):
            variable.assign_sub(0.05 * gradient)
        return loss

    losses = [float(step()) for _ in range(12)]
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", SMALL)
def test_random_weights_give_logits_like_those_of_trained_networks(name, output_stride):
    x = normalise(smooth_image(*SAMPLE_CROP)[np.newaxis].astype(np.float32))
    layers = InferenceLayers(small_weights(name))
    logits = compute_logits(SMALL[name], layers, x, output_stride).numpy()
    assert 1.5 < logits.std() < 6
    assert len(np.unique(logits.argmax(-1))) > 1


def test_variables_bear_the_values_of_the_weights():
    weights = small_weights("mobilenetv2")
    variables = make_variables(weights)
    assert all((variables[name].numpy() == weights[name]).all() for name in weights)


SIZE, CROP, SCALES = (40, 60), (33, 49), (0.8, 1.5)


def paired_scenes(n):
    """Scenes of flat patches whose colour tells their class: 50 for class 0, 200 for class 1."""
    patches = np.random.default_rng(0).integers(0, 2, (n, 4, 6), np.uint8)
    labels = patches.repeat(10, 1).repeat(10, 2)
    return np.where(labels == 0, 50, 200).astype(np.uint8)[..., np.newaxis].repeat(3, 3), labels


@pytest.mark.parametrize("seed", range(6))
def test_labels_go_where_their_pixels_go(seed):
    images, labels = paired_scenes(1)
    image, label = augment(
        images[0], labels[0], crop=CROP, scales=SCALES, seed=tf.constant([7, seed], tf.int64)
    )
    assert image.shape == (*CROP, 3)
    assert label.shape == CROP
    assert image.dtype == tf.float32
    assert label.dtype == tf.uint8
    grey, label = image.numpy().mean(-1), label.numpy()
    # Patches differ by at least 120 grey values; only their blurred borders lie in between.
    middle = (grey[label == 0].mean() + grey[label == 1].mean()) / 2
    known = label != VOID
    assert np.mean((grey[known] > middle) == (label[known] == 1)) > 0.93
    np.testing.assert_array_equal(image.numpy()[~known], 127.5)


def test_a_view_that_shows_all_is_padded_with_mean_grey_and_void():
    images, labels = paired_scenes(1)
    image, label = augment(
        images[0], labels[0], crop=(97, 129), scales=SCALES, seed=tf.constant([7, 1], tf.int64)
    )
    assert (label.numpy()[-1] == VOID).all()
    np.testing.assert_array_equal(image.numpy()[-1], 127.5)


def test_colours_stay_within_their_bounds():
    image = np.full((*SIZE, 3), 150, np.uint8)
    drawn = [
        augment(
            image,
            np.zeros(SIZE, np.uint8),
            crop=(9, 9),
            scales=SCALES,
            seed=tf.constant([1, i], tf.int64),
        )[0]
        for i in range(12)
    ]
    change = np.array(drawn) - 150
    assert np.abs(change).max() <= BRIGHTNESS + CONTRAST * 22.5 + 1e-3
    assert change.std() > 5


def test_batches_are_endless_shuffled_and_fixed_by_the_seed():
    images, labels = paired_scenes(3)

    def first(seed):
        batches = make_batches(images, labels, crop=CROP, scales=SCALES, batch=2, seed=seed)
        return [batch[0].numpy() for batch in batches.take(4)]

    one, again, other = first(0), first(0), first(1)
    assert [batch.shape for batch in one] == [(2, *CROP, 3)] * 4
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


TINY = {
    "mobilenetv2": replace(
        MOBILENETV2, backbone=scaled(MOBILENETV2.backbone, 0.1), head_depth=8, n_classes=3
    ),
    "xception65": replace(
        XCEPTION65,
        backbone=scaled(XCEPTION65.backbone, 0.02, middle_units=1),
        head_depth=8,
        n_classes=3,
        decoder=Decoder(8, 8),
    ),
}


def striped_batch():
    """Two images in three bands, whose brightness tells their class, with a void border."""
    labels = np.repeat(np.arange(3, dtype=np.uint8), CROP[0] // 3)[:, np.newaxis]
    labels = np.stack([np.broadcast_to(labels, CROP), np.broadcast_to(labels[::-1], CROP)]).copy()
    noise = np.random.default_rng(0).normal(0, 10, (*labels.shape, 3))
    images = np.clip(60 + 70 * labels[..., np.newaxis] + noise, 0, 255).astype(np.float32)
    labels[:, :2] = VOID
    return images, labels


EQUAL = np.ones(3, np.float32)
STEPS = 25


def train(name):
    trainer = Trainer(TINY[name], Schedule(STEPS, 0.01, warmup=2), seed=0, momentum=0.8)
    images, labels = map(tf.constant, striped_batch())
    losses = [trainer.step(images, labels, EQUAL) for _ in range(STEPS)]
    return trainer.weights, losses


trained = cache(train)


@pytest.mark.long
@pytest.mark.parametrize("name", TINY)
def test_training_learns_and_its_export_runs(name, tmp_path):
    weights, losses = trained(name)
    assert losses[-1] < 0.6 * losses[0]
    network = RebuiltNetwork(weights, NetworkOptions(16, crop=CROP))
    export_frozen_graph(network, tmp_path / "tiny.pb")
    image = striped_batch()[0][0].astype(np.uint8)
    probs = load_network(tmp_path / "tiny.pb").probabilities(image)
    np.testing.assert_allclose(probs, network.probabilities(image), atol=1e-4)


@pytest.mark.long
def test_a_seed_fixes_the_training():
    weights, losses = train("mobilenetv2")
    assert losses == trained("mobilenetv2")[1]
    for name, value in trained("mobilenetv2")[0].items():
        np.testing.assert_array_equal(weights[name], value)


@pytest.mark.parametrize(
    "name", ["mobilenetv2", pytest.param("xception65", marks=pytest.mark.long)]
)
def test_every_variable_is_trained(name):
    before, after = initial_weights(TINY[name], 0), trained(name)[0]
    assert list(before) == list(after)
    assert [n for n in before if np.array_equal(before[n], after[n])] == []


def test_training_goes_on_from_given_weights():
    architecture = TINY["mobilenetv2"]
    weights = initial_weights(architecture, seed=5)
    found = Trainer(architecture, Schedule(1, 0.01), weights=weights).weights
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


@given(st.lists(st.integers(0, 6), min_size=1), st.floats(0, 1))
def test_class_weights_average_to_one(drawn, strength):
    labels = np.array([*drawn, VOID, VOID], np.uint8)
    weights = balance_classes(labels, 7, strength)
    assert weights[drawn].mean() == pytest.approx(1, rel=1e-5)
    counts = np.bincount(drawn, minlength=7)
    present = np.flatnonzero(counts)
    shares = weights[present] * counts[present] ** strength
    np.testing.assert_allclose(shares, shares[0], rtol=1e-5)


def test_nothing_but_void_has_no_class_weights():
    with pytest.raises(InputError, match="not void"):
        balance_classes(np.full((2, 3), VOID, np.uint8), 7, 0.5)


@pytest.mark.parametrize("stride", [1, 4])
def test_loss_is_the_weighted_cross_entropy_of_known_pixels(stride):
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (2, 9, 13, 5)).astype(np.float32)
    labels = rng.integers(0, 5, (2, 8 * stride + 1, 12 * stride + 1)).astype(np.uint8)
    labels[:, 3] = VOID
    weights = rng.uniform(0.1, 3, 5).astype(np.float32)
    loss = compute_loss(tf.constant(logits), tf.constant(labels), weights).numpy()
    full = tf.compat.v1.image.resize_bilinear(logits, labels.shape[1:], align_corners=True)
    total = norm = 0.0
    for scores, label in zip(full.numpy().reshape(-1, 5), labels.ravel(), strict=True):
        if label != VOID:
            total -= weights[label] * np.log(np.exp(scores[label]) / np.exp(scores).sum())
            norm += weights[label]
    np.testing.assert_allclose(loss, total / norm, rtol=1e-4)


def test_loss_of_nothing_but_void_is_zero():
    labels = tf.fill((1, 5, 5), tf.constant(VOID, tf.uint8))
    assert compute_loss(tf.ones((1, 3, 3, 4)), labels, tf.ones(4)).numpy() == 0


@given(st.integers(2, 500), st.floats(1e-5, 1.0), st.integers(1, 50))
def test_rates_rise_to_the_peak_and_fall(steps, peak, warmup):
    schedule = Schedule(steps, peak, warmup)
    rates = np.array([schedule.rate(step) for step in range(steps)])
    assert ((rates > 0) & (rates <= peak)).all()
    assert (np.diff(rates[warmup:]) < 0).all()
    assert rates[0] == pytest.approx(peak / warmup)


@pytest.mark.parametrize("step", [-1, 3])
def test_no_step_outside_of_the_schedule(step):
    with pytest.raises(InputError, match="expected 0 to 2"):
        Schedule(3, 0.1).rate(step)
