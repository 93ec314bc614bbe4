"""Fixtures that several tests share."""

import os
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
