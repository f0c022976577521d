"""The report stage: a scored run in, one self-contained page and its tables out."""

from evals.reporting.report import write_report

__all__ = ["write_report"]
