"""Build wheel and sdist, install each into a bare environment elsewhere, and run the demo there.

    python tests/packaging/try_package.py [--with-packages-of-this-environment]

The flag takes the dependencies from the environment that runs this script instead of installing
them again, so that nothing but our own package is tried.
"""

import argparse
import site
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> list[Path]:
    """Wheel and sdist of the checkout."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT)
    code = f"from setuptools import build_meta as b; b.build_sdist({str(folder)!r})"
    tools = folder / "tools"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", tools, "setuptools>=70")
    run(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tools)!r}); {code}", cwd=ROOT)
    return [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]


def try_package(package: Path, folder: Path, borrow: bool) -> None:
    """Install a package into a new environment and run the demo on four scenes."""
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    words = ["--no-deps"] if borrow else []
    run(python, "-m", "pip", "install", "--quiet", *words, package)
    if borrow:
        home = sysconfig.get_path("purelib", vars={"base": str(folder / "env")})
        (Path(home) / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    run(folder / "env" / "bin" / "metaseg-tf", "demo", "--limit", "4", "--quiet", cwd=folder)


def run(*words, cwd: Path | None = None) -> None:
    """Run a command; its output appears, its failure ends this script."""
    subprocess.run([str(word) for word in words], check=True, cwd=cwd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with-packages-of-this-environment", action="store_true")
    borrow = parser.parse_args().with_packages_of_this_environment
    with tempfile.TemporaryDirectory() as scratch:
        for package in build(Path(scratch)):
            folder = Path(scratch) / f"try-{package.suffix[1:]}"
            folder.mkdir()
            try_package(package, folder, borrow)
            sys.stdout.write(f"{package.name}: installed and run outside of the checkout\n")


if __name__ == "__main__":
    main()
