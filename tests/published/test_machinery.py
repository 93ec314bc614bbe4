"""The cases of test_printed_numbers.py on a run that is made to hit one number and miss another."""

import os
import subprocess
import sys
from pathlib import Path

from small_runs import make_run

HERE = Path(__file__).parent
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "published")


def test_cases_pass_fail_and_are_skipped(tmp_path):
    run = make_run(tmp_path / "XC", miou=0.80421)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("METASEG_TF_")}
    finished = subprocess.run(
        [*PYTEST, HERE / "test_printed_numbers.py", "-k", "miou or XC-segments"],
        env=environment | {"METASEG_TF_XC_RUN": str(run.path)},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed, 1 skipped" in finished.stdout
    assert "printed 45194" in finished.stdout
    assert "METASEG_TF_MN_RUN does not name a finished run" in finished.stdout
