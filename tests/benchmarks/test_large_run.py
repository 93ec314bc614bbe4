"""Tables 1 and 2 of a run that does not fit in memory, in passes over its packs.

METASEG_TF_PACKS=100 makes it the 10 million segments of docs/scale.md, and takes 3 GB of disk.
"""

import json
import os
import resource
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from small_runs import make_run
from tables import make_table

PACKS, ROWS = int(os.environ.get("METASEG_TF_PACKS", 12)), 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Packs of 1000 images each, alike but for their images' names."""
    run = make_run(tmp_path_factory.mktemp("large") / "run", make_table(100, n_images=1))
    table = make_table(ROWS, n_images=1000)
    columns = pa.Table.from_pandas(table.drop(columns="image"), preserve_index=False)
    for pack in range(PACKS):
        images = f"{pack:04d}_" + table["image"]
        named = columns.add_column(0, "image", pa.array(images, pa.string()))
        about = {b"images": json.dumps(sorted(set(images))).encode()}
        run._tables._write(f"packs/{pack:06d}.parquet", named.replace_schema_metadata(about))
    return run.path


@pytest.mark.parametrize("number", [1, 2])
def test_tables_take_less_than_3_gb(folder, number, note):
    start = time.perf_counter()
    command = [sys.executable, "-m", "metaseg_tf", "table", str(number), str(folder)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    gigabytes = peak / (1e9 if sys.platform == "darwin" else 1e6)
    note(f"table {number} of {PACKS * ROWS + 100} segments, seconds", time.perf_counter() - start)
    note(f"peak memory of table {number} of them, GB", gigabytes)
    assert "segments" in said.stdout
    assert ("images drawn at random" in said.stderr) == (number == 2)
    assert gigabytes < 3
