"""Estimators with the interface of scikit-learn, and `load`, which reads every file that fastrnn saves."""

from fastrnn.estimators.autoencoder import SparseAutoencoder
from fastrnn.estimators.characters import CharacterLanguageModel
from fastrnn.estimators.classifier import RecurrentClassifier
from fastrnn.estimators.files import load
from fastrnn.estimators.forecaster import RecurrentForecaster
from fastrnn.estimators.ngram import NGramLanguageModel
from fastrnn.estimators.regressor import RecurrentRegressor
from fastrnn.estimators.translator import SequenceTranslator

__all__ = [
    "CharacterLanguageModel",
    "NGramLanguageModel",
    "RecurrentClassifier",
    "RecurrentForecaster",
    "RecurrentRegressor",
    "SequenceTranslator",
    "SparseAutoencoder",
    "load",
]
