"""SavedModels with every end that a network may have, and those that are no networks."""

import numpy as np
import pytest
import tensorflow as tf
from small_networks import CLASSES, TAILS, Segmenter, draw, kernel, logits, probabilities
from tensorflow.core.framework.variable_pb2 import VariableDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from metaseg_tf.errors import (
    DataFormatError,
    InputError,
    NetworkError,
    ShapeError,
    UnsafeGraphError,
)
from metaseg_tf.networks.formats.graph_network import load_saved_model
from metaseg_tf.networks.options import NetworkOptions

ANY_SIZE = tf.TensorSpec([1, None, None, 3], tf.uint8, name="image")


def save(path, call, *specs, module=None):
    module = module or Segmenter()
    function = tf.function(
        lambda *inputs: call(module, *inputs), input_signature=specs, autograph=False
    )
    tf.saved_model.save(module, str(path), signatures=function.get_concrete_function())
    return path


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_every_end_gives_the_same_probabilities(tmp_path, tail):
    path = save(tmp_path, lambda module, image: {"out": tail(module.logits(image))}, ANY_SIZE)
    network, image = load_saved_model(path), draw()
    probs = network.probabilities(image)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, probabilities(image), atol=1e-5)
    assert (network.classes, network.crop, network.settings) == (
        CLASSES,
        None,
        NetworkOptions(scales=1.0, flip=False),
    )


def test_logits_are_those_of_the_network(tmp_path):
    path = save(tmp_path, lambda module, image: {"out": module.logits(image)}, ANY_SIZE)
    image = draw()
    np.testing.assert_allclose(load_saved_model(path).logits(image), logits(image), atol=1e-4)


@pytest.mark.parametrize(
    ("input_range", "restore"),
    [
        ("0..255", lambda x: x),
        ("0..1", lambda x: x * 255),
        ("-1..1", lambda x: (x + 1) * 127.5),
        ("imagenet", lambda x: 255 * (x * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406])),
        ("mean=0.2,std=0.3,0.4,1", lambda x: 255 * (x * [0.3, 0.4, 1.0] + 0.2)),
    ],
)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
def test_float_inputs_are_brought_to_their_range(tmp_path, input_range, restore, dtype):
    spec = tf.TensorSpec([1, 8, 10, 3], dtype)
    path = save(
        tmp_path,
        lambda module, x: {"out": module.logits(restore(tf.cast(x, tf.float32)))},
        spec,
    )
    network, image = load_saved_model(path, NetworkOptions(input_range=input_range)), draw()
    atol = 1e-4 if dtype == tf.float32 else 0.05
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=atol)


def test_a_fixed_size_is_kept(tmp_path):
    spec = tf.TensorSpec([1, 8, 10, 3], tf.uint8)
    network = load_saved_model(save(tmp_path, lambda m, x: {"out": m.logits(x)}, spec))
    assert network.crop == network.settings.crop == (8, 10)
    with pytest.raises(ShapeError, match=r"at most 8x10 pixels.*, got 8x11.*--tile 8x10"):
        network.probabilities(draw(8, 11))


@pytest.mark.parametrize(
    "specs",
    [
        (),
        (tf.TensorSpec([None], tf.string),),
        (tf.TensorSpec([1, 3, None, None], tf.float32),),
        (ANY_SIZE, tf.TensorSpec([], tf.float32, name="threshold")),
    ],
    ids=["none", "strings", "channels first", "two"],
)
def test_signatures_without_an_image_are_refused(tmp_path, specs):
    path = save(tmp_path, lambda module, *_: {"out": module.kernel}, *specs)
    with pytest.raises(NetworkError, match="expected one input, an image") as caught:
        load_saved_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (lambda x: {"a": x, "b": tf.nn.softmax(x)}, "one output with scores"),
        (
            lambda x: {"boxes": x[0, 0]},
            r"class ids by ArgMax.*got float32 \(.*, 4\)",
        ),
        (lambda x: {"one": x[..., :1]}, "one channel that ends in a sigmoid, got 1"),
    ],
    ids=["two scores", "no scores", "one class"],
)
def test_outputs_without_scores_are_refused(tmp_path, outputs, words):
    path = save(tmp_path, lambda module, image: outputs(module.logits(image)), ANY_SIZE)
    with pytest.raises(NetworkError, match=words):
        load_saved_model(path)


def test_scores_of_another_size_than_the_image_are_refused(tmp_path):
    path = save(tmp_path, lambda m, image: {"out": m.logits(image)[:, 1:-1, 1:-1]}, ANY_SIZE)
    with pytest.raises(NetworkError, match=r"\[8, 10, 4\], got \[6, 8, 4\]; end it with a resize"):
        load_saved_model(path).probabilities(draw())


def test_ops_that_touch_files_are_refused(tmp_path):
    target = tmp_path / "written"

    def call(module, image):
        tf.io.write_file(str(target), "harm")
        return {"out": module.logits(image)}

    with pytest.raises(UnsafeGraphError, match="WriteFile"):
        load_saved_model(save(tmp_path / "model", call, ANY_SIZE))
    assert not target.exists()


def save_of_tensorflow_1(path, more=lambda: None):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.uint8, [1, None, None, 3])
        weights = v1.get_variable("kernel", initializer=kernel(), use_resource=False)
        out = tf.nn.conv2d(tf.cast(image, tf.float32) * (2 / 255) - 1, weights, 1, "SAME")
        more()
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(path), {"image": image}, {"out": out})
    return path


def test_the_format_of_tensorflow_1(tmp_path):
    network, image = load_saved_model(save_of_tensorflow_1(tmp_path / "model")), draw()
    np.testing.assert_allclose(network.probabilities(image), probabilities(image), atol=1e-5)


def test_the_format_of_tensorflow_1_is_read_before_it_is_loaded(tmp_path):
    path = save_of_tensorflow_1(tmp_path / "model", lambda: tf.io.read_file("/etc/hostname"))
    with pytest.raises(UnsafeGraphError, match="ReadFile"):
        load_saved_model(path)


def rewrite(path, change):
    saved = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    change(saved)
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    return path


class Harmful(tf.Module):
    """Writes a file when it is restored."""

    def __init__(self, target):
        super().__init__()
        self.target = str(target)

    def written(self):
        with tf.control_dependencies([tf.io.write_file(self.target, "harm")]):
            return tf.constant(1.0)


class Restoring(Harmful):
    def _serialize_to_tensors(self):
        return {"k": tf.constant(1.0)}

    def _restore_from_tensors(self, restored):
        return self.written()


class Saving(Restoring):
    """Restored by ops that inference may hold."""

    def written(self):
        return tf.constant(1.0)


def save_with(path, module, function=None):
    network = Segmenter()
    network.extra = module
    if function:
        module.function = tf.function(function, input_signature=())
    return save(path, lambda m, image: {"out": m.logits(image)}, ANY_SIZE, module=network)


def edit(path, change):
    """Change the objects of a SavedModel, given as (its graph, its nodes)."""
    file = path / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    change(saved.meta_graphs[0], saved.meta_graphs[0].object_graph_def.nodes)
    file.write_bytes(saved.SerializeToString())


def refuse(path, target, words):
    with pytest.raises(UnsafeGraphError, match=words) as caught:
        load_saved_model(path)
    assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("kind", [Restoring, Saving])
def test_objects_are_not_restored_by_functions_of_the_file(tmp_path, kind):
    target = tmp_path / "written"
    path = save_with(tmp_path / "model", kind(target))
    refuse(path, target, "restored by code from the file")


@pytest.mark.parametrize("name", ["_restore_from_tensors", "_maybe_initialize_trackable"])
def test_functions_do_not_take_the_place_of_methods(tmp_path, name):
    target = tmp_path / "written"
    module = Saving(target)
    path = save_with(tmp_path / "model", tf.Module(), lambda: module.written())

    def rename(graph, nodes):
        (child,) = (c for n in nodes for c in n.children if c.local_name == "function")
        child.local_name = name

    assert load_saved_model(path)
    edit(path, rename)
    refuse(path, target, "restored by code from the file")


@pytest.mark.parametrize("field", ["registered_name", "registered_saver"])
def test_classes_that_bring_code_are_refused(tmp_path, field):
    path = save_with(tmp_path / "model", tf.Module())
    edit(path, lambda graph, nodes: setattr(nodes[0], field, "tf.StaticHashTable"))
    refuse(path, tmp_path / "written", "restored by code from the file")


@pytest.mark.parametrize("op", ["WriteFile", "SaveV2"])
def test_ops_of_functions_that_nobody_calls_are_checked(tmp_path, op):
    target = tmp_path / "written"

    def saved():
        tf.raw_ops.SaveV2(
            prefix=str(target), tensor_names=["a"], shape_and_slices=[""], tensors=[1.0]
        )
        return tf.constant(1.0)

    function = Harmful(target).written if op == "WriteFile" else saved
    path = save_with(tmp_path / "model", tf.Module(), lambda: function())
    refuse(path, target, op)
    assert not list(tmp_path.glob("written*"))


def test_training_functions_of_keras_are_let_through(tmp_path):
    layers = tf.keras.layers
    image = tf.keras.Input((8, 10, 3))
    # Keras 3 exports augmentation with the seeds that it writes, which inference does not.
    keras_2 = tf.__version__ < "2.16"
    y = layers.RandomRotation(0.1)(layers.RandomFlip()(image)) if keras_2 else image
    y = layers.Dropout(0.2)(layers.BatchNormalization()(layers.Conv2D(4, 1)(y)))
    model = tf.keras.Model(image, layers.GaussianNoise(0.1)(layers.SpatialDropout2D(0.2)(y)))
    model.compile("adam", "mse")
    model.fit(np.zeros((1, 8, 10, 3)), np.zeros((1, 8, 10, 4)), verbose=0)
    # Keras 3 keeps no training functions.
    model.save(tmp_path) if keras_2 else model.export(str(tmp_path))
    assert load_saved_model(tmp_path).classes == 4


@pytest.mark.parametrize("place", ["restore op", "main op", "local variable"])
def test_nothing_is_saved_when_the_format_of_tensorflow_1_is_loaded(tmp_path, place):
    target = tmp_path / "written"

    def harm():
        save = tf.raw_ops.SaveV2(
            prefix=str(target), tensor_names=["a"], shape_and_slices=[""], tensors=[1.0]
        )
        with tf.control_dependencies([save]):
            tf.constant(1.0, name="harm")

    path = save_of_tensorflow_1(tmp_path / "model", harm)

    def start(graph, nodes):
        if place == "restore op":
            graph.saver_def.restore_op_name = "harm"
        elif place == "main op":
            graph.collection_def["saved_model_main_op"].node_list.value[:] = ["harm"]
        else:
            variable = VariableDef.FromString(graph.collection_def["variables"].bytes_list.value[0])
            variable.initializer_name = "harm"
            graph.collection_def["local_variables"].bytes_list.value.append(
                variable.SerializeToString()
            )

    edit(path, start)
    refuse(path, target, "'SaveV2' in '[^']*SaveV2'")
    assert not list(tmp_path.glob("written*"))


def test_a_second_graph_does_not_hide_what_is_run(tmp_path):
    """Files of several graphs are loaded as those of TensorFlow 1, whatever else they hold."""
    path = save(tmp_path / "model", lambda m, image: {"out": m.logits(image)}, ANY_SIZE)

    def change(saved):
        other = saved.meta_graphs.add()
        other.CopyFrom(saved.meta_graphs[0])
        other.graph_def.node.add(name="harm", op="WriteFile")

    with pytest.raises(UnsafeGraphError, match="WriteFile"):
        load_saved_model(rewrite(path, change))


def trained_keras_model():
    layers = tf.keras.layers
    image = tf.keras.Input((8, 10, 3))
    x = layers.Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 255)(image))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GaussianNoise(0.1)(layers.SpatialDropout2D(0.1)(layers.Dropout(0.1)(x)))
    model = tf.keras.Model(image, layers.Conv2D(CLASSES, 1, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(draw()[None].astype(np.float32), np.zeros((1, 8, 10)), verbose=0)
    return model


@pytest.mark.parametrize("store", ["export", "save", "tf.saved_model.save"])
def test_what_keras_writes_after_training_is_taken(tmp_path, store, capsys):
    model = trained_keras_model()
    if store == "export":
        model.export(str(tmp_path / "model"))
    elif store == "save":
        if hasattr(tf.keras, "version") and tf.keras.version().startswith("3"):
            pytest.skip("Keras 3 saves no SavedModels")
        model.save(str(tmp_path / "model"), save_format="tf")
    else:
        tf.saved_model.save(model, str(tmp_path / "model"))
    expected = model.predict(draw()[None].astype(np.float32), verbose=0)[0]
    found = load_saved_model(tmp_path / "model").probabilities(draw())
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tables_are_refused_before_they_are_filled(tmp_path):
    module = Segmenter()
    pairs = tf.lookup.KeyValueTensorInitializer([1], [2.0])
    module.table = tf.lookup.StaticHashTable(pairs, 0.0)

    def call(module, image):
        return {"out": module.logits(image) * module.table.lookup(tf.constant(1))}

    with pytest.raises(UnsafeGraphError, match="tables or assets"):
        load_saved_model(save(tmp_path, call, ANY_SIZE, module=module))


def test_broken_folders_give_one_line(tmp_path):
    with pytest.raises(DataFormatError, match=r"saved_model\.pb: expected a SavedModel"):
        load_saved_model(tmp_path)
    path = save(tmp_path, lambda module, image: {"out": module.logits(image)}, ANY_SIZE)
    (path / "variables" / "variables.index").unlink()
    with pytest.raises(DataFormatError, match="whole SavedModel") as caught:
        load_saved_model(path)
    assert "\n" not in str(caught.value)
    (path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(DataFormatError, match="whole SavedModel"):
        load_saved_model(path)


def test_variables_that_are_more_than_read_give_one_line(tmp_path):
    module = Segmenter()
    module.random = tf.random.Generator.from_seed(0)

    def call(module, image):
        return {"out": module.logits(image) + module.random.normal([CLASSES])}

    with pytest.raises(NetworkError, match=r"without augmentation|op 'RngReadAndSkip'") as caught:
        load_saved_model(save(tmp_path, call, ANY_SIZE, module=module))
    assert "\n" not in str(caught.value)


def test_without_signatures_there_is_no_network(tmp_path):
    tf.saved_model.save(Segmenter(), str(tmp_path))
    with pytest.raises(NetworkError, match=r"'serving_default'.*got none"):
        load_saved_model(tmp_path)


def test_a_uint8_input_has_no_range(tmp_path):
    path = save(tmp_path, lambda module, image: {"out": module.logits(image)}, ANY_SIZE)
    with pytest.raises(InputError, match="expected none for a network of uint8 input"):
        load_saved_model(path, NetworkOptions(input_range="0..1"))


def test_a_function_that_reads_what_is_not_there_is_refused(tmp_path):
    path = save(tmp_path, lambda module, image: {"out": module.logits(image)}, ANY_SIZE)
    saved = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            node.input[:] = ["nothing:out:0"] * len(node.input)
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(DataFormatError, match="whole SavedModel") as caught:
        load_saved_model(path)
    assert "\n" not in str(caught.value)


def test_signatures_that_are_none_are_refused(tmp_path):
    path = save(tmp_path, lambda module, image: {"out": module.logits(image)}, ANY_SIZE)
    saved = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    nodes = saved.meta_graphs[0].object_graph_def.nodes
    for node in nodes:
        if node.user_object.identifier == "signature_map":
            node.user_object.identifier = "_generic_user_object"
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(DataFormatError, match="whole SavedModel"):
        load_saved_model(path)
