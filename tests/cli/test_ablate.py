import json

import pandas as pd
from small_runs import make_run
from tables import make_table


def test_the_verb_writes_what_it_prints(metaseg, tmp_path, few_trees):
    make_run(tmp_path / "run", make_table(300, n_classes=3, n_images=6), n_classes=3)
    code, output, _ = metaseg("ablate", tmp_path / "run", "--json", "-q")
    assert code == 0
    stored = pd.read_csv(tmp_path / "run" / "ablation" / "scores.csv")
    printed = pd.DataFrame(json.loads(output))
    pd.testing.assert_frame_equal(stored, printed, check_dtype=False)
    made = {path.name for path in (tmp_path / "run" / "ablation").iterdir()}
    assert {"ablation.png", "ablation.pdf", "ablation.md", "ablation_differences.tex"} <= made
