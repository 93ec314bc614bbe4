import logging

import pytest
import tensorflow as tf

from metaseg_tf.xla import has_xla


@pytest.fixture
def asked_anew():
    has_xla.cache_clear()
    yield
    has_xla.cache_clear()


def test_it_is_there(asked_anew):
    assert has_xla()


def test_where_it_is_missing_one_is_told_once(asked_anew, monkeypatch, caplog):
    def refuse(*args, **options):
        raise tf.errors.UnimplementedError(None, None, "no XLA on this platform")

    monkeypatch.setattr(tf, "function", refuse)
    with caplog.at_level(logging.WARNING):
        assert not has_xla()
        assert not has_xla()
    assert len(caplog.records) == 1
    assert "no XLA on this platform" in caplog.text
    assert "plain ops" in caplog.text
