"""Evaluations with names: what was done is part of the result."""

from crossjepa.evaluate.linear import LinearResult, linear_svm

__all__ = ["LinearResult", "linear_svm"]
