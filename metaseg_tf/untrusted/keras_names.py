"""What a stored Keras model may be made of: classes and functions that networks for images need.

Everything else is refused, whether known to do harm (Lambda runs bytecode of the file, TFSMLayer
loads other files, TFOpLambda calls any function of TensorFlow by its name) or not known at all.
"""

__all__ = ["CLASSES", "is_allowed_function"]

_MODELS = """
    Functional Model Sequential InputLayer __keras_tensor__ __ellipsis__ __slice__
    DTypePolicy Policy
"""
_LAYERS = """
    Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax Dense EinsumDense Conv2D
    Conv2DTranspose DepthwiseConv2D SeparableConv2D BatchNormalization SyncBatchNormalization
    LayerNormalization RMSNormalization GroupNormalization UnitNormalization SpectralNormalization
    Normalization Rescaling Resizing CenterCrop Cropping2D ZeroPadding2D UpSampling2D MaxPooling2D
    AveragePooling2D GlobalMaxPooling2D GlobalAveragePooling2D GlobalMaxPooling1D
    GlobalAveragePooling1D AdaptiveAveragePooling2D AdaptiveMaxPooling2D Add Subtract Multiply
    Average Maximum Minimum Concatenate Dot Reshape Permute Flatten RepeatVector Attention
    AdditiveAttention MultiHeadAttention GroupQueryAttention GroupedQueryAttention Dropout
    SpatialDropout2D AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity
    TimeDistributed RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast
    RandomBrightness RandomCrop RandomHeight RandomWidth LayerScale StochasticDepth
"""
_SETTINGS = """
    Zeros Ones Constant Identity Orthogonal OrthogonalInitializer RandomNormal RandomUniform
    TruncatedNormal VarianceScaling GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal
    LecunUniform L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm
"""
#: What operators between tensors become in Keras 3.
_OPERATIONS = """
    TrueDivide Divide DivideNoNan FloorDivide Mod Power Negative Absolute Abs Sign Square Sqrt Rsqrt
    Reciprocal Exp Expm1 Log Log1p Log2 Logsumexp Round Floor Ceil Clip Sin Cos Erf GetItem Mean Sum
    Prod Max Min Amax Amin Var Std Norm Normalize Moments Argmax Argmin TopK OneHot Matmul Einsum
    Tensordot Transpose Swapaxes Moveaxis Squeeze ExpandDims Stack Split Tile Repeat Roll Flip
    Pad Ravel BroadcastTo Take TakeAlongAxis Slice Unstack Cast CastDType ZerosLike OnesLike
    StopGradient Where Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr
    LogicalNot Relu Relu6 LeakyRelu Elu Selu Celu Sigmoid LogSigmoid Tanh Silu Swish Gelu Mish
    Softplus Softsign HardSigmoid HardSwish HardSilu HardTanh LogSoftmax Conv ConvTranspose
    DepthwiseConv SeparableConv MaxPool AveragePool AdaptiveAveragePool AdaptiveMaxPool BatchNorm
    LayerNorm RMSNorm Resize CropImages PadImages ExtractPatches
"""

#: Names of classes, whichever of Keras' modules they are in.
CLASSES = frozenset((_MODELS + _LAYERS + _SETTINGS + _OPERATIONS).split())

#: Activations, and the functions of TensorFlow that TFOpLambda may call. None takes a path.
_FUNCTIONS = """
    linear relu relu6 leaky_relu elu selu celu gelu silu swish mish softplus softsign softmax
    log_softmax log_sigmoid sigmoid hard_sigmoid hard_swish hard_silu hard_tanh tanh exponential
    concat stack unstack reshape transpose squeeze expand_dims cast pad clip_by_value shape size
    rank split tile repeat roll slice strided_slice gather gather_nd where identity stop_gradient
    reverse einsum matmul tensordot argmax argmin one_hot norm zeros_like ones_like broadcast_to
    fill range image.resize image.resize_with_pad image.resize_with_crop_or_pad image.central_crop
    image.flip_left_right image.flip_up_down image.pad_to_bounding_box image.crop_to_bounding_box
    image.extract_patches image.convert_image_dtype space_to_depth batch_to_space space_to_batch
    image.resize_images image.resize_bilinear image.resize_bicubic image.resize_nearest_neighbor
    image.per_image_standardization image.rgb_to_grayscale image.grayscale_to_rgb depth_to_space
    linalg.matmul linalg.norm linalg.normalize linalg.einsum
"""
_MODULES = ("math.", "nn.", "__operators__.")


def is_allowed_function(name) -> bool:
    """Whether a function of TensorFlow or Keras, by its public name, only computes on tensors."""
    if not isinstance(name, str):
        return False
    name = name.removeprefix("compat.v1.")
    return name in _FUNCTIONS.split() or (name.startswith(_MODULES) and name.count(".") == 1)
