"""Small networks of ordinary architectures, with weights of real size, in Keras 2 or 3.

Every one has convolutions whose kernels are far larger than 4096 bytes, as real networks have.
"""

import numpy as np
import tensorflow as tf

keras, layers = tf.keras, tf.keras.layers

SIZE = (32, 48)
CLASSES = 5
_WIDTH = 16


def build(name):
    """The model, its weights drawn at random, statistics of normalisation included."""
    image = keras.Input((*SIZE, 3))
    model = keras.Model(image, ARCHITECTURES[name](image))
    rng = np.random.default_rng(0)
    model.set_weights([_draw(rng, weight) for weight in model.get_weights()])
    return model


def _draw(rng, weight):
    if weight.ndim == 1:  # biases, and variances, which are positive
        return rng.uniform(0.5, 1.5, weight.shape)
    return rng.normal(0, np.prod(weight.shape[:-1]) ** -0.5, weight.shape)


def _conv(x, width=_WIDTH, kernel=3, **options):
    x = layers.Conv2D(width, kernel, padding="same", use_bias=False, **options)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _unet(image):
    x = layers.Rescaling(1 / 255)(image)
    skips = []
    for width in (16, 32):
        x = _conv(x, width)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.5)(_conv(x, 64))
    for width in (32, 16):
        x = layers.Conv2DTranspose(width, 2, strides=2, padding="same")(x)
        x = _conv(layers.Concatenate()([x, skips.pop()]), width)
    return layers.Conv2D(CLASSES, 1, activation="softmax")(x)


def _inverted_residuals(image):
    x = _conv(layers.Rescaling(1 / 127.5, -1)(image), 32, strides=2)
    for stride in (2, 1):
        shortcut = x
        x = layers.Conv2D(96, 1, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        if stride == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        x = layers.DepthwiseConv2D(3, stride, "valid" if stride == 2 else "same")(x)
        x = layers.BatchNormalization()(layers.Conv2D(32, 1)(x))
        x = layers.Add()([x, shortcut]) if stride == 1 else x
    x = layers.Conv2D(CLASSES, 3, padding="same")(x)
    return layers.UpSampling2D(4, interpolation="bilinear")(x)


def _atrous_pyramid(image):
    x = _conv(image / 255.0, 32, strides=4)
    branches = [_conv(x, kernel=1), *(_conv(x, dilation_rate=rate) for rate in (2, 4))]
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = layers.Conv2D(_WIDTH, 1, activation="relu")(pooled)
    branches.append(layers.UpSampling2D((8, 12), interpolation="bilinear")(pooled))
    x = layers.SpatialDropout2D(0.1)(_conv(layers.Concatenate()(branches), 32))
    x = layers.Conv2D(CLASSES, 1)(x)
    return layers.Softmax()(layers.Resizing(*SIZE)(x))


def _squeeze_and_excite(image):
    x = layers.SeparableConv2D(32, 3, 2, "same", activation="swish")(layers.Rescaling(0.01)(image))
    gate = layers.Reshape((1, 1, 32))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Dense(48, activation="relu")(gate)
    gate = layers.Dense(32, activation="hard_sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = layers.LeakyReLU()(layers.Conv2D(48, 3, padding="same")(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(48, 3, padding="same")(x))
    return layers.Resizing(*SIZE)(layers.Dense(CLASSES)(x))


def _transformer(image):
    x = layers.Conv2D(32, 8, 8)(layers.Rescaling(1 / 255)(image))
    x = layers.Reshape((4 * 6, 32))(x)
    attended = layers.MultiHeadAttention(2, 16)(*[layers.LayerNormalization()(x)] * 2)
    x = x + attended
    x = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
    # Each token gives the pixels of its patch.
    x = layers.Reshape((4, 6, 8, 8, CLASSES))(layers.Dense(64 * CLASSES)(x))
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Activation("softmax")(layers.Reshape((*SIZE, CLASSES))(x))


def _slices_and_operators(image):
    x = _conv(image * (2 / 255) - 1.0, 32)
    left, right = x[:, :, ::2], x[:, :, 1::2, :]
    x = _conv(layers.Maximum()([left, right]) ** 2.0, 32)
    x = layers.Cropping2D(2)(layers.ZeroPadding2D(2)(x))
    x = layers.AveragePooling2D((2, 1))(x)
    x = layers.Conv2DTranspose(CLASSES, 4, 2, "same", name="logits")(x)
    return layers.Conv2D(CLASSES, 1)(x[:, :, :, 1:])[:, : SIZE[0], : SIZE[1]]


def _model_in_model(image):
    inner = keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 5, 2, "same"),
            layers.GroupNormalization(8),
            layers.Activation("relu"),
        ]
    )
    x = inner(image)
    x = layers.Conv2D(CLASSES * 16, 3, padding="same", activation="elu")(x)
    return layers.UpSampling2D(2)(layers.Conv2D(CLASSES, 1)(x))


ARCHITECTURES = {
    "unet": _unet,
    "inverted residuals": _inverted_residuals,
    "atrous pyramid": _atrous_pyramid,
    "squeeze and excite": _squeeze_and_excite,
    "transformer": _transformer,
    "slices and operators": _slices_and_operators,
    "model in model": _model_in_model,
}

#: Those that hold operators between tensors, which Keras 3 cannot read back from ``.h5``.
WITH_OPERATORS = ("atrous pyramid", "transformer", "slices and operators")
