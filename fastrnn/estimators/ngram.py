"""A next-word model: from the vectors of the words before to the probabilities of the next one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_dtype, check_integer
from fastrnn._kernels.softmax import softmax
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.fingerprint import fingerprint
from fastrnn.estimators._base import Fitting, RunState, Validation
from fastrnn.estimators._net_base import NetEstimator
from fastrnn.estimators.inputs.words import Vocabulary, check_contexts, check_texts, learn_vocabulary
from fastrnn.layers import Dense, Embedding, Flatten, Gaussian
from fastrnn.memory import available_bytes
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.schedules import Schedule
from fastrnn.training import Trainer

VECTORS = Gaussian(0.5)  # initial word vectors: smaller ones learn slowly, larger ones hardly change
AT_A_TIME = 1024  # contexts whose probabilities of all words are in memory together
COPIES = 4  # arrays of the size of the weights in training, at least: weights, gradient, best, last epoch


@dataclass(eq=False, repr=False)
class NGramLanguageModel(NetEstimator):
    """
    Predict the next word from the words before it (Bengio et al. 2003).

    The ``order - 1`` words of a context share one matrix of word vectors (V, D). Their vectors, side by side, go
    through a hidden layer of sigmoid units to the logits of all V words. The net is trained by mini-batches on the
    cross-entropy.

    A model learns from contexts and their next words, given as words or as numbers 0..V-1, or from sentences. A context
    is a list of words, a string, or word numbers. Only its last ``order - 1`` words are used; a shorter context is an
    error. Methods also take several contexts, as a list or an array (N, order - 1). For a single context the result has
    no first axis.

    Parameters
    ----------
    embedding : int
        Size of the word vectors.
    hidden_size : int
        Number of hidden units.
    order : int
        Number of words in an n-gram: 4 predicts the next word from three words.
    vocabulary : sequence of str or None
        The words by number; None learns them from X, or takes all numbers from 0 to the largest one in X.
    vocabulary_size : int or None
        Number of most frequent words to learn, `unknown` included; for numbers, V itself. None takes all.
    unknown : str or None
        Word that replaces words outside the vocabulary; if None or not in the vocabulary, such words are an error.
    validation_fraction : float or None
        Share of the examples or sentences held out to choose the best epoch; None or 0 trains on all of them.
    patience : int or None
        Stop after this many epochs without a better validation loss; None never stops early, as suits a schedule over
        all epochs.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Distribution of the initial weights. Only a Gaussian one applies to word vectors, otherwise ``Gaussian(0.5)``.
    random_state : int, RandomState or None
        Seed of the initial weights, the validation split and the order of the examples.

    Attributes
    ----------
    vocabulary_ : ndarray (V,)
        The words by number; 0..V-1 if the model was fitted with numbers alone, and then predictions are numbers too.
    embeddings_ : ndarray (V, D)
        The word vectors, a view of the net's weights.
    n_features_in_ : int
        Number of words in a context, ``order - 1``.
    validation_rows_ : ndarray
        Rows of X, examples or sentences, that were held out.

    See Also
    --------
    fastrnn.data.sentences_of : Split a text into sentences of words.

    Notes
    -----
    The initializer "gaussian" has the standard deviation 0.01.

    `score` is the mean log-likelihood of the next word, as in scikit-learn's mixture models, so that searches choose by
    it; accuracy is ``(model.predict(X) == y).mean()``. This is not a classifier in scikit-learn's sense: its
    probabilities are in the order of the vocabulary, not of sorted classes. ``check_estimator`` does not apply, because
    it fits numbers with fractions.

    References
    ----------
    Y. Bengio, R. Ducharme, P. Vincent and C. Jauvin, "A neural probabilistic language model", Journal of Machine
    Learning Research 3, 2003.

    Examples
    --------
    >>> from fastrnn import NGramLanguageModel
    >>> facts = [("cat", "sat", "mat"), ("dog", "lay", "rug")] * 20
    >>> sentences = [f"the {who} {did} on the {what}".split() for who, did, what in facts]
    >>> model = NGramLanguageModel(4, 8, order=3, learning_rate=0.05, batch_size=10, random_state=0)
    >>> words, probabilities = model.fit(sentences).top_k("the dog", k=2)
    >>> words[0]
    'lay'
    >>> model.predict([["on", "the"], ["sat", "on"]]).shape
    (2,)
    """

    _optimizers: ClassVar[Mapping[str, Optimizer]] = {
        "sgd": SGD(0.5, momentum=0.9, form="nesterov"),
        "adam": Adam(4e-3),
    }

    embedding: int = 32
    hidden_size: int = 256
    order: int = 4
    vocabulary: Sequence[str] | None = None
    vocabulary_size: int | None = None
    unknown: str | None = "<unk>"
    _: KW_ONLY
    optimizer: str | Optimizer = "sgd"
    schedule: str | Schedule | None = "cosine"
    epochs: int = 15
    batch_size: int = 200
    clip_norm: float | None = None

    def prepare(self, X: Any, y: Any = None, *, validation_data: Validation = None, state: RunState = None) -> Fitting:
        """
        Do all of `fit` except training: check the data and the parameters, and build the net and its trainer.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The contexts, as words or numbers; or, without `y`, sentences as lists of words: every run of `order` words
            in them is an example. Numbers in an h5py.Dataset or a numpy.memmap are read by blocks, with the same
            result, and need not fit into memory.
        y : array-like (N,), optional
            The next words, of the same kind as X.
        """
        order = self._check_parameters()
        seed = self._seed(state)
        texts = check_texts(X, y, order)
        # Row numbers take eight bytes per example, so they are made only if a part is held out.
        parts = self._hold_out(len(texts), seed, validation_data) if self._fraction(validation_data) else ()
        vocabulary = learn_vocabulary(texts, self.vocabulary, self.vocabulary_size, self.unknown, self._check_size)
        model = self._net(len(vocabulary)).build((order - 1, len(vocabulary)), self.dtype, seed)
        trainer = self._make_trainer(model, "cross_entropy", seed)
        others = None if validation_data is None else check_texts(*validation_data, order)
        # The first pass over the data, after all checks that need none: it may take long.
        sets = texts.encode(vocabulary, self.unknown, *parts)
        sets += [] if others is None else others.encode(vocabulary, self.unknown)
        known = {"words": fingerprint(vocabulary.words)}
        for name, numbers in zip(("training", "validation"), sets, strict=False):
            known |= {f"{name} x": fingerprint(numbers.x), f"{name} y": fingerprint(numbers.y)}
        (x, targets), *validation = (numbers.ready() for numbers in sets)
        self.model_, self.trainer_ = model, trainer
        self.validation_rows_ = parts[1] if parts else np.arange(0)
        self._vocabulary, self.n_features_in_ = vocabulary, order - 1
        return Fitting(trainer, x, targets, validation=validation[0] if validation else None, known=known)

    def _check_parameters(self) -> int:
        """Check the parameters, and return the order."""
        self._check_training()
        for name in ("embedding", "hidden_size"):
            check_integer(name, getattr(self, name), 1)
        check_dtype(self.dtype)
        if self.unknown is not None and not isinstance(self.unknown, str):
            raise TypeError(f"unknown is {self.unknown!r}, expected a word or None")
        return check_integer("order", self.order, 2)

    def _check_size(self, V: int, found: str) -> None:
        """Refuse a vocabulary too large for the memory: its numbers are probably not word numbers."""
        per_word = check_dtype(self.dtype).itemsize * (self.embedding + self.hidden_size + 1)
        needed, available = COPIES * V * per_word, available_bytes()
        if available is not None and needed > available:
            raise ValueError(
                f"{found}, which makes {V:,} words, and training them with embedding {self.embedding} and hidden_size "
                f"{self.hidden_size} takes at least {needed / 1e9:,.0f} GB of memory; expected numbers 0..V-1 of fewer "
                f"words, or a smaller net, as {available / 1e9:,.0f} GB are available"
            )

    def _net(self, V: int) -> Sequential:
        is_normal = self.initializer == "gaussian" or isinstance(self.initializer, Gaussian)
        vectors = Embedding(V, self.embedding, initializer=self.initializer if is_normal else VECTORS)
        hidden = Dense(self.hidden_size, "sigmoid", initializer=self.initializer)
        return Sequential([vectors, Flatten(), hidden, Dense(V, initializer=self.initializer)])

    # ---- using ------------------------------------------------------------------------------------------------------

    @property
    def vocabulary_(self) -> Array:
        """The words by number, or the numbers."""
        return self._vocabulary.words

    @property
    def embeddings_(self) -> Array:
        """The word vectors (V, D), a view of the net's weights."""
        return self.model_.parameters["0.W"]

    def predict(self, X: Any) -> Any:
        """
        Return the most likely next word of each context.

        Parameters
        ----------
        X : array-like (N, order - 1), list of contexts, or one context
            The contexts.

        Returns
        -------
        ndarray (N,)
            Words, or numbers if the model was fitted with numbers alone; a single one for one context.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or a context is too short or has an unknown word.
        """
        logits, alone = self._logits(X)
        words = self.vocabulary_[np.concatenate([some.argmax(axis=1) for some in logits])]
        return words[0] if alone else words

    def predict_proba(self, X: Any) -> Array:
        """
        Return the probability of each word to come next.

        Parameters
        ----------
        X : array-like (N, order - 1), list of contexts, or one context
            The contexts.

        Returns
        -------
        ndarray (N, V) or (V,)
            float64; rows sum to 1; columns are in the order of `vocabulary_`.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `predict`.
        """
        logits, alone = self._logits(X)
        probabilities = np.concatenate([softmax(some) for some in logits])
        return probabilities[0] if alone else probabilities

    def top_k(self, contexts: Any, k: int = 10) -> tuple[Array, Array]:
        """
        Return the most likely next words.

        Parameters
        ----------
        contexts : array-like (N, order - 1), list of contexts, or one context
            The contexts.
        k : int
            Number of words, at most V.

        Returns
        -------
        words : ndarray (N, k) or (k,)
            The words, most likely first.
        probabilities : ndarray (N, k) or (k,)
            Their probabilities, float64.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `predict`, or if k is not in 1..V.
        """
        logits, alone = self._logits(contexts)
        _check_k(k, len(self.vocabulary_))
        parts = [_largest(softmax(some), k) for some in logits]
        numbers, probabilities = (
            np.concatenate(part)[0 if alone else slice(None)] for part in zip(*parts, strict=True)
        )
        return self.vocabulary_[numbers], probabilities

    def nearest(self, word: Any, k: int = 10) -> tuple[Array, Array]:
        """
        Return the words with the most similar vectors, by cosine similarity.

        Parameters
        ----------
        word : str, or int if the model was fitted with numbers alone
            A word of the vocabulary.
        k : int
            Number of words, at most V - 1: the word itself is left out.

        Returns
        -------
        words : ndarray (k,)
            The words, nearest first.
        similarities : ndarray (k,)
            Cosines of the angles between the vectors, -1 to 1.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, the word is not in the vocabulary, or k is not in 1..V-1.
        """
        check_is_fitted(self, "model_")
        number = self._vocabulary.number(word)
        others = np.delete(np.arange(len(self.vocabulary_)), number)
        _check_k(k, len(others))
        vectors = self.embeddings_.astype(np.float64)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        rows, similarities = _largest((vectors[others] @ vectors[number])[None], k)
        return self.vocabulary_[others[rows[0]]], similarities[0]

    def evaluate(self, X: Any, y: Any = None) -> tuple[float, float]:
        """
        Return cross-entropy and accuracy.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The contexts; or, without `y`, sentences.
        y : array-like (N,), optional
            The next words.

        Returns
        -------
        loss : float
            Mean negative log-likelihood of the next word, in nats.
        accuracy : float
            Share of words that were predicted as the most likely.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or the data cannot be used.
        """
        check_is_fitted(self, "model_")
        (numbers,) = check_texts(X, y, self.n_features_in_ + 1).encode(self._vocabulary, self.unknown)
        trainer = Trainer(self.model_, "cross_entropy", n_threads=self.n_threads)
        loss, accuracy = trainer.evaluate(numbers.x, numbers.y, batch_size=AT_A_TIME)
        assert accuracy is not None
        return loss, accuracy

    def perplexity(self, X: Any, y: Any = None) -> float:
        """
        Return the perplexity: the number of equally likely words with the same uncertainty.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The contexts; or, without `y`, sentences.
        y : array-like (N,), optional
            The next words.

        Returns
        -------
        float
            The exponential of the cross-entropy.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `evaluate`.
        """
        return float(np.exp(self.evaluate(X, y)[0]))

    def score(self, X: Any, y: Any = None) -> float:
        """
        Return the mean log-likelihood of the next words; higher is better.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The contexts; or, without `y`, sentences.
        y : array-like (N,), optional
            The next words.

        Returns
        -------
        float
            Minus the cross-entropy, which is minus the natural logarithm of the perplexity.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `evaluate`.
        """
        return -self.evaluate(X, y)[0]

    def _logits(self, X: Any) -> tuple[Iterator[Array], bool]:
        """Return the logits of contexts, some at a time, and whether X is a single context."""
        check_is_fitted(self, "model_")
        contexts, alone = check_contexts(X, self.n_features_in_)
        x = self._vocabulary.encode("context {} holds", contexts, self.unknown)
        parts = (x[first : first + AT_A_TIME] for first in range(0, len(x), AT_A_TIME))
        return (self.model_.predict(part, batch_size=AT_A_TIME, n_threads=self.n_threads) for part in parts), alone

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    # ---- files ------------------------------------------------------------------------------------------------------

    def _fitted_tree(self) -> dict[str, Any]:
        return {
            "model": self.model_.to_tree(),
            "vocabulary": self.vocabulary_.tolist() if self._vocabulary.has_words else None,
        }

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        self.model_, words = load_model(tree["model"], cells, classes), tree["vocabulary"]
        K, V = self.n_features_in_, len(self.embeddings_)
        self._vocabulary = Vocabulary(V if words is None else words)
        if self.model_.input_shape != (K, len(self._vocabulary)) or self.model_.output_shape != (V,):
            raise ValueError(
                f"it takes {K} of {len(self._vocabulary)} words, but its net takes inputs {self.model_.input_shape}"
            )


def _check_k(k: Any, most: int) -> None:
    if check_integer("k", k, 1) > most:
        raise ValueError(f"k is {k}, expected at most {most}, the number of words")


def _largest(values: Array, k: int) -> tuple[Array, Array]:
    """Return the columns of the k largest values of each row (N, V), in descending order, and the values."""
    some = np.sort(
        np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1
    )  # equal values stay in the order of their numbers
    order = np.argsort(-np.take_along_axis(values, some, axis=1), axis=1, kind="stable")
    some = np.take_along_axis(some, order, axis=1)
    return some, np.take_along_axis(values, some, axis=1)
