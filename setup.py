"""Package metadata; build system and tool settings stand in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = (HERE / "metaseg_tf" / "VERSION").read_text(encoding="utf-8").strip()

setup(
    name="metaseg-tf",
    version=VERSION,
    description=(
        "Which segments of a semantic segmentation can be trusted: a TensorFlow reproduction of "
        "'Prediction Error Meta Classification in Semantic Segmentation' (Rottmann et al., 2018)"
    ),
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=["metaseg_tf", "metaseg_tf.*"]),
        "metaseg_tf.deeplab_checkpoints",
    ],
    package_dir={"metaseg_tf.deeplab_checkpoints": "deeplab_checkpoints"},
    package_data={
        "metaseg_tf": [
            "VERSION",
            "__init__.pyi",
            "analysis/diagnostics/tests.json",
            "data/class_tables/*.csv",
            "demo/streetscenes/*.json",
            "networks/*.json",
            "paper/figures/*.mplstyle",
            "paper/*.json",
            "report/overview.json",
            "report/static/*",
            "segments/columns.json",
            "report/templates/*",
            "untrusted/lists/*.txt",
        ],
        "metaseg_tf.deeplab_checkpoints": ["demo_*.pb", "demo_*.json", "*.md"],
    },
    # tensorflow-addons ended with 0.23.0, which needs TensorFlow 2.15 and so Python 3.11 at most.
    install_requires=[
        "tensorflow>=2.15.1,<2.16; python_version < '3.12'",
        "tensorflow-addons>=0.23.0,<0.24; python_version < '3.12'",
        "tensorflow>=2.16; python_version >= '3.12'",
        # TensorFlow 2.15 needs numpy 1: pip learns of it late, and then tries versions for hours.
        # Newer releases of pyarrow need numpy 2 without saying so.
        "numpy>=1.26,<2; python_version < '3.12'",
        "numpy>=1.26; python_version >= '3.12'",
        "scipy>=1.11.1",
        "pandas>=2.1.1",
        "pyarrow>=15,<23; python_version < '3.12'",
        "pyarrow>=15; python_version >= '3.12'",
        "scikit-image>=0.22",
        "scikit-learn>=1.5",
        "statsmodels>=0.14.2",
        "threadpoolctl>=3.1",
        "matplotlib>=3.8",
        "h5py>=3.10",
        "pillow>=10.1",
        "pooch>=1.8",
        "jinja2>=3.1",
        "typer>=0.29",
        "rich>=13.8",
    ],
    extras_require={
        # Newer releases of onnx need an ml_dtypes that TensorFlow 2.15 does not take.
        "onnx": [
            "onnxruntime>=1.20",
            "onnx>=1.17,<1.19; python_version < '3.12'",
            "onnx>=1.18; python_version >= '3.12'",
        ],
        "cluster": ["distributed>=2024.8", "cryptography>=42", "fsspec>=2024.6"],
        "dev": [
            "ruff>=0.17",
            "pytest>=8",
            "pytest-benchmark>=5",
            "pytest-xdist>=3.6.1",
            "hypothesis>=6.100",
            "nbclient>=0.10",
            "nbformat>=5.10",
            "ipykernel>=6.29",
            "playwright>=1.48",
        ],
    },
    entry_points={"console_scripts": ["metaseg-tf = metaseg_tf.cli:main"]},
)
