"""Load models and estimators from files."""

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from fastrnn import storage
from fastrnn.cells import Cell
from fastrnn.estimators._base import TrainedEstimator
from fastrnn.estimators.autoencoder import SparseAutoencoder
from fastrnn.estimators.characters import CharacterLanguageModel
from fastrnn.estimators.classifier import RecurrentClassifier
from fastrnn.estimators.forecaster import RecurrentForecaster
from fastrnn.estimators.ngram import NGramLanguageModel
from fastrnn.estimators.regressor import RecurrentRegressor
from fastrnn.estimators.translator import SequenceTranslator
from fastrnn.models.encoder_decoder import load_encoder_decoder
from fastrnn.models.sequential import load_model

MODELS = {"Sequential": load_model, "EncoderDecoder": load_encoder_decoder}
ESTIMATORS: list[type[TrainedEstimator]] = [  # a new one is a line
    RecurrentClassifier,
    RecurrentRegressor,
    RecurrentForecaster,
    SparseAutoencoder,
    NGramLanguageModel,
    CharacterLanguageModel,
    SequenceTranslator,
]


def load(path: str | PathLike[str], cells: Sequence[Cell] = (), classes: Sequence[type] = ()) -> Any:
    """
    Read a model or estimator that its `save` has written.

    Parameters
    ----------
    path : path-like
        The file.
    cells : sequence of Cell
        The custom cells that the model uses: files hold their names, not their equations.
    classes : sequence of type
        The custom classes that the model uses, for the same reason: optimizers, schedules, layers, or a custom
        estimator itself.

    Returns
    -------
    object
        What was saved: a `Sequential`, an `EncoderDecoder`, or an estimator.

    Raises
    ------
    TypeError
        If `classes` is not a list of classes.
    StorageError
        If the file cannot be read, is damaged, holds no model, or holds one whose custom cells or classes are not
        given.
    """
    if not isinstance(classes, list | tuple) or not all(isinstance(own, type) for own in classes):
        raise TypeError(f"classes is {classes!r}, expected a list of classes such as [MyOptimizer]")
    tree = storage.read(path)
    kind = str(tree.get("kind"))
    known = {own.__name__: own for own in (*ESTIMATORS, *classes) if issubclass(own, TrainedEstimator)}
    if kind not in (*known, *MODELS):
        expected = ", ".join((*MODELS, *known))
        raise storage.StorageError(f"{fspath(path)}: holds {kind!r}, expected one of {expected}")
    try:
        if kind in known:
            return known[kind].from_tree(tree, cells, classes)
        return MODELS[kind](tree, cells, classes)
    except KeyError as error:
        raise storage.StorageError(f"{fspath(path)}: this {kind} is not complete: {error} is missing") from error
    except (AttributeError, IndexError, MemoryError, TypeError, ValueError) as error:
        raise storage.StorageError(f"{fspath(path)}: this {kind} cannot be loaded: {error}") from error
