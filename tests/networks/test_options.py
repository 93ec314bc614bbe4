"""Options as one value: equal, hashable, completed by others, and kept in a manifest."""

import inspect
import json
from dataclasses import fields

import numpy as np
import pytest
import typer
from typer.main import get_command

from metaseg_tf.cli import app
from metaseg_tf.cli.options import bundled, parse_passes
from metaseg_tf.errors import InputError
from metaseg_tf.networks import network as networks
from metaseg_tf.networks.network import describe_network, load_network
from metaseg_tf.networks.options import DEFAULTS, NetworkOptions


def test_options_of_equal_values_are_equal():
    options = NetworkOptions(scales=np.array([0.75, 1]), crop=[65, 97], tile=[32, 40])
    assert options == NetworkOptions(scales=(0.75, 1.0), crop=(65, 97), tile=(32, 40))
    assert hash(options) == hash(NetworkOptions(scales=(0.75, 1), crop=(65, 97), tile=(32, 40)))
    assert NetworkOptions(scales=1) == NetworkOptions(scales=(1.0,))


def test_only_what_is_not_asked_for_is_completed():
    paper = NetworkOptions(8, (0.75, 1.0), True, (65, 97))
    assert NetworkOptions(flip=False, tile=9).completed(paper) == NetworkOptions(
        8, (0.75, 1.0), False, (65, 97), tile=9
    )
    assert DEFAULTS.completed(paper) == paper.completed(DEFAULTS) == paper


@pytest.mark.parametrize(
    "asked", [{"output_stride": 8}, {"scales": (1, 2)}, {"flip": True}, {"crop": (65, 65)}]
)
def test_options_of_deeplab_rebuild_it(asked):
    assert NetworkOptions(**asked).rebuilds


@pytest.mark.parametrize(
    "asked", [{}, {"scales": 1}, {"flip": False}, {"tile": 9, "overlap": 2}, {"input_range": "x"}]
)
def test_other_options_leave_it_as_it_is(asked):
    assert not NetworkOptions(**asked).rebuilds


def test_a_name_in_the_catalogue_brings_the_paper_s_options(monkeypatch):
    opened = {}
    monkeypatch.setattr(networks.checkpoints, "checkpoint_path", lambda entry: entry.name)
    monkeypatch.setattr(networks, "open_network", lambda path, asked: opened.update({path: asked}))
    asked = NetworkOptions(flip=False, input_range="0..1")
    for source in ("xception65", "demo_xception", "net.pb"):
        load_network(source, asked)
    paper = NetworkOptions(8, (0.75, 1.0, 1.25), False, (1025, 2049), "0..1")
    assert [*opened.values()] == [paper, asked, asked]


def test_a_manifest_holds_every_option_by_its_name():
    options = NetworkOptions(tile=(129, 129), overlap=16)
    network = load_network("demo_mobilenetv2", options)
    described = json.loads(json.dumps(describe_network("demo_mobilenetv2", network, options)))
    assert len(described.pop("network_sha256")) == 64
    assert described == {
        "network": "demo_mobilenetv2",
        "output_stride": 16,
        "scales": [1.0],
        "flip": False,
        "crop": None,
        "input_range": None,
        "tile": [129, 129],
        "overlap": 16,
        "dropout": None,
    }


@pytest.mark.parametrize("verb", ["extract", "predict"])
def test_every_option_is_one_of_the_command_line(verb):
    known = {parameter.name for parameter in get_command(app).commands[verb].params}
    # What passes there are is one option.
    assert known | {"dropout"} >= {field.name for field in fields(NetworkOptions)} | {"passes"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [("flip", {"flip": True}), ("dropout:8", {"dropout": 8}), ("flip,dropout:2", None)],
)
def test_passes_are_fields_of_the_options(given, expected):
    assert parse_passes(given) == (expected or {"flip": True, "dropout": 2})


@pytest.mark.parametrize("given", ["", "flop", "flip:2", "dropout", "dropout:", "dropout:x"])
def test_other_passes_are_refused(given):
    with pytest.raises(typer.BadParameter, match="expected flip or dropout:T such as dropout:8"):
        parse_passes(given)


def test_passes_that_flip_do_not_go_with_no_flip():
    @bundled
    def verb(dumps, network_options, cluster):
        return network_options

    nothing = dict.fromkeys(inspect.signature(verb).parameters)
    flipped = verb(**nothing | {"passes": parse_passes("flip")})
    assert flipped == verb(**nothing | {"flip": True}) == NetworkOptions(flip=True)
    with pytest.raises(InputError, match="got flip and --no-flip; drop one"):
        verb(**nothing | {"passes": parse_passes("flip"), "flip": False})
