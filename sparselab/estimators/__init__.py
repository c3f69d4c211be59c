"""scikit-learn estimators: a classifier, a regressor and a feature selector for pipelines, grid searches and cross-validation.

Only this folder knows scikit-learn's conventions. It is imported on first use.
"""

from .classifier import SparseMLPClassifier
from .regressor import SparseMLPRegressor
from .selector import SparseFeatureSelector

__all__ = ["SparseFeatureSelector", "SparseMLPClassifier", "SparseMLPRegressor"]
