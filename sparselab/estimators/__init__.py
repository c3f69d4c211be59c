"""scikit-learn's conventions on top of the house: a classifier for pipelines, grid searches and cross-validation.

This is the only room that knows those conventions; nothing below it imports it, and it is imported on first use only.
"""

from .classifier import SparseMLPClassifier
from .selector import SparseFeatureSelector

__all__ = ["SparseFeatureSelector", "SparseMLPClassifier"]
