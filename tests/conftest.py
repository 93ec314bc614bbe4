"""Fixtures that several tests share."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

# As the command line does; TensorFlow reads it when it is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")

REAL_DATA = "METASEG_TF_REAL_DATA"


@pytest.fixture(scope="session")
def real_data():
    """Folder with real Cityscapes images, softmax and expected tables; skips where it is not."""
    folder = os.environ.get(REAL_DATA)
    if not folder:
        pytest.skip(f"{REAL_DATA} does not name the folder with real Cityscapes data")
    return Path(folder)


@pytest.fixture(scope="module")
def short_path():
    """Five penalties in place of fifty where runs are evaluated: a third of the time."""
    from metaseg_tf.analysis.protocol import PAPER_PROTOCOL

    short = replace(PAPER_PROTOCOL, C=PAPER_PROTOCOL.C[::10])
    with pytest.MonkeyPatch.context() as patch:
        for module in ("analysis.evaluation", "paper.verify"):
            patch.setattr(f"metaseg_tf.{module}.PAPER_PROTOCOL", short)
        yield short
