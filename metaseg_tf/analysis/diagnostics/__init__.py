"""Regression diagnostics: what may and may not be read from the fits of a run."""

from metaseg_tf.analysis.diagnostics.report import Diagnostics, diagnose, summary_text

__all__ = ["Diagnostics", "diagnose", "summary_text"]
