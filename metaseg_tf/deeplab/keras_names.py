"""What a stored Keras model may be made of: classes and functions that networks for images need.

Everything else is refused, whether known to do harm (Lambda runs bytecode of the file, TFSMLayer
loads other files, TFOpLambda calls any function of TensorFlow by its name) or not known at all.
"""

__all__ = ["CLASSES", "is_allowed_function"]

_MODELS = "Functional Model Sequential InputLayer __keras_tensor__ DTypePolicy Policy"
_LAYERS = """
    Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax Dense Conv2D Conv2DTranspose
    DepthwiseConv2D SeparableConv2D BatchNormalization SyncBatchNormalization LayerNormalization
    GroupNormalization UnitNormalization Normalization Rescaling Resizing CenterCrop Cropping2D
    ZeroPadding2D UpSampling2D MaxPooling2D AveragePooling2D GlobalMaxPooling2D
    GlobalAveragePooling2D Add Subtract Multiply Average Maximum Minimum Concatenate Dot Reshape
    Permute Flatten RepeatVector Attention MultiHeadAttention Dropout SpatialDropout2D AlphaDropout
    GaussianDropout GaussianNoise ActivityRegularization Identity
"""
_SETTINGS = """
    Zeros Ones Constant Identity Orthogonal OrthogonalInitializer RandomNormal RandomUniform
    TruncatedNormal VarianceScaling GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal
    LecunUniform L1 L2 L1L2 MaxNorm MinMaxNorm NonNeg UnitNorm
"""
#: What operators between tensors become in Keras 3.
_OPERATIONS = """
    TrueDivide Divide FloorDivide Power Negative Absolute Square Sqrt Exp Log Clip GetItem Mean Sum
    Max Min Transpose Squeeze ExpandDims Stack Pad Cast Relu Relu6 Sigmoid Tanh Silu Swish Gelu
    HardSigmoid HardSwish Resize
"""

#: Names of classes, whichever of Keras' modules they are in.
CLASSES = frozenset((_MODELS + _LAYERS + _SETTINGS + _OPERATIONS).split())

#: Activations, and the functions of TensorFlow that TFOpLambda may call. None takes a path.
_FUNCTIONS = """
    linear relu relu6 leaky_relu elu selu gelu silu swish mish softplus softsign softmax log_softmax
    sigmoid hard_sigmoid hard_swish tanh exponential concat stack reshape transpose squeeze
    expand_dims cast pad clip_by_value shape split tile slice strided_slice identity reverse
    image.resize space_to_depth nn.space_to_depth nn.depth_to_space compat.v1.shape
    compat.v1.image.resize_bilinear compat.v1.image.resize_images
"""
_MODULES = ("math.", "nn.", "__operators__.")


def is_allowed_function(name) -> bool:
    """Whether a function of TensorFlow or Keras, by its public name, only computes on tensors."""
    if not isinstance(name, str):
        return False
    return name in _FUNCTIONS.split() or (name.startswith(_MODULES) and name.count(".") == 1)
