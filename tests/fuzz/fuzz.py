"""Coverage-guided fuzzing by atheris, which is no requirement: ``make fuzz SECONDS=60``.

::

    python tests/fuzz/fuzz.py SECONDS [FORMAT ...]

Each format of ``targets`` is attacked for so many seconds in a process of its own. What breaks a
reader is stored in ``.fuzz/FORMAT`` and the exit code is 1. Python code alone guides the search:
TensorFlow, libhdf5 and Arrow are binaries without instruments.
"""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / ".fuzz"
_MAX_BYTES = 1 << 16
_MEMORY_MB = 6000
#: A single reading that takes longer, in seconds, counts as a failure.
_TIMEOUT = 60


def main(seconds: int, formats: list[str]) -> int:
    """Attack each format; returns how many broke."""
    from targets import TARGETS

    failed = []
    for name in formats or TARGETS:
        print(f"{name}: {seconds} s", flush=True)
        words = [sys.executable, __file__, "--attack", name, str(seconds)]
        if subprocess.run(words, check=False).returncode:
            failed.append(name)
    print(f"broken: {', '.join(failed) or 'none'}")
    return len(failed)


def attack(name: str, seconds: str) -> None:
    """Fuzz one format in this process, until the time is over or something breaks."""
    import atheris

    with atheris.instrument_imports(include=["metaseg_tf", "zipfile", "tarfile", "json"]):
        from targets import TARGETS, survives

        target = TARGETS[name]
        corpus = _FOLDER / name / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.seeds()):
            (corpus / f"seed{number}").write_bytes(seed)
            survives(target, seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_MAX_BYTES}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-timeout={_TIMEOUT}",
        f"-artifact_prefix={corpus.parent}/",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda content: survives(target, content))
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path[:0] = [str(_ROOT / folder) for folder in ("tests/fuzz", "tests", "tests/networks", "")]
    if sys.argv[1:2] == ["--attack"]:
        attack(*sys.argv[2:])
    else:
        try:
            import atheris  # noqa: F401
        except ImportError:
            sys.exit("fuzz: expected atheris, which is not installed; pip install atheris")
        sys.exit(main(int(sys.argv[1]), sys.argv[2:]) and 1)
