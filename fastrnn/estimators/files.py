"""Models and estimators from files."""

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from fastrnn import storage
from fastrnn.cells import Cell
from fastrnn.estimators.autoencoder import SparseAutoencoder
from fastrnn.estimators.characters import CharacterLanguageModel
from fastrnn.estimators.classifier import RecurrentClassifier
from fastrnn.estimators.forecaster import RecurrentForecaster
from fastrnn.estimators.ngram import NGramLanguageModel
from fastrnn.estimators.regressor import RecurrentRegressor
from fastrnn.estimators.translator import SequenceTranslator
from fastrnn.models.encoder_decoder import load_encoder_decoder
from fastrnn.models.sequential import load_model

KINDS = {
    "Sequential": load_model,
    "EncoderDecoder": load_encoder_decoder,
    "RecurrentClassifier": RecurrentClassifier.from_tree,
    "RecurrentRegressor": RecurrentRegressor.from_tree,
    "RecurrentForecaster": RecurrentForecaster.from_tree,
    "SparseAutoencoder": SparseAutoencoder.from_tree,
    "NGramLanguageModel": NGramLanguageModel.from_tree,
    "CharacterLanguageModel": CharacterLanguageModel.from_tree,
    "SequenceTranslator": SequenceTranslator.from_tree,
}


def load(path: str | PathLike[str], cells: Sequence[Cell] = ()) -> Any:
    """
    Read a model or estimator that its `save` has written.

    Parameters
    ----------
    path : path-like
        The file.
    cells : sequence of Cell
        Cells of one's own that the model uses: files hold their names, not their equations.

    Returns
    -------
    object
        What was saved: a `Sequential`, an `EncoderDecoder`, or an estimator.

    Raises
    ------
    StorageError
        If the file cannot be read, is damaged, holds no model, or one with a cell that is not in `cells`.
    """
    tree = storage.read(path)
    kind = str(tree.get("kind"))
    make = KINDS.get(kind)
    if make is None:
        raise storage.StorageError(f"{fspath(path)}: holds {kind!r}, expected one of {', '.join(KINDS)}")
    try:
        return make(tree, cells)
    except KeyError as error:
        raise storage.StorageError(f"{fspath(path)}: is no complete {kind}: {error} is missing") from error
    except (AttributeError, IndexError, MemoryError, TypeError, ValueError) as error:
        raise storage.StorageError(f"{fspath(path)}: is no {kind} that can be used: {error}") from error
