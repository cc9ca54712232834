"""A next-word model: the words before, by their vectors, to the probabilities of the next one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_dtype, check_integer, check_number
from fastrnn._kernels.softmax import softmax
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.fingerprint import fingerprint
from fastrnn.estimators._base import Fitting
from fastrnn.estimators._net_base import NetEstimator
from fastrnn.estimators.inputs.words import Examples, Sentences, Vocabulary, check_contexts, check_texts
from fastrnn.layers import Dense, Embedding, Flatten, Gaussian
from fastrnn.memory import available_bytes
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.schedules import Schedule
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History
from fastrnn.training.splits import validation_split

VECTORS = Gaussian(0.5)  # initial ones: smaller ones learn slowly, larger ones stay what they were
AT_A_TIME = 1024  # contexts whose probabilities of all words are in memory together
COPIES = 4  # of the weights, that training has at the least: they, the gradient, the best and those of the last epoch


@dataclass(eq=False, repr=False)
class NGramLanguageModel(NetEstimator):
    """
    Predict the next word from the ones before it (Bengio et al. 2003).

    The ``order - 1`` words before share one matrix of word vectors (V, D); these vectors, side by side, go through a
    hidden layer of sigmoid units to the logits of all V words, trained by mini-batches for the least cross-entropy.

    A model learns from contexts and the words after them, given as words or as numbers 0..V-1, or from sentences. What
    a context is to its methods: its words, in a list or in a text with blanks between them, or their numbers; of more
    than ``order - 1`` the last ones count, fewer are refused. Contexts are many where they are a list of such, or an
    array (N, order - 1), and so are the results; of one alone the result has no first axis.

    Parameters
    ----------
    embedding : int
        D, numbers in the vector of a word.
    hidden_size : int
        Hidden units.
    order : int
        Words in an n-gram, the next one included: 4 predicts from three words.
    vocabulary : sequence of str or None
        The words by number; None learns them from the words of X, or takes the numbers 0 to the largest there is.
    vocabulary_size : int or None
        Of learned words, at most so many of the most frequent, `unknown` included; of numbers V itself. None is all.
    unknown : str or None
        The word that stands for those outside of the vocabulary; learned vocabularies begin with it. Where it is None,
        or not in the vocabulary, such words are refused; it may change after `fit`.
    optimizer : {"adam", "sgd"} or Optimizer
        A name, or an object such as ``fastrnn.SGD(0.15, momentum=0.85, form="averaged")``, which has its own learning
        rate.
    learning_rate : float
        For an optimizer given by name.
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        How the learning rate changes by epoch; None keeps it.
    epochs : int
        Most epochs.
    batch_size : int
        Examples in a batch.
    validation_fraction : float or None
        Share of the examples, or of the sentences, held out to choose the best epoch; None or 0 trains on all.
    patience : int or None
        Stop after so many epochs without a better validation loss; None never stops early, which suits a schedule that
        ends with the last epoch.
    clip_norm : float or None
        Largest norm of a batch's gradient.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial weights. Normal ones ("gaussian" has the standard deviation 0.01) are those of word vectors too, which
        else are ``Gaussian(0.5)``.
    n_threads : int or None
        Number of threads; None takes as many as the problem is worth.
    random_state : int, RandomState or None
        Seed of weights, split and order.
    dtype : {"float32", "float64"}
        Precision of the net.
    verbose : int
        Above 0, print a line each epoch.

    Attributes
    ----------
    vocabulary_ : ndarray (V,)
        The words by number; 0..V-1 of a model fitted with numbers alone, whose predictions are numbers too.
    embeddings_ : ndarray (V, D)
        The vectors of the words, a view of the net's.
    n_features_in_ : int
        Words of a context, ``order - 1``.
    n_iter_ : int
        Number of epochs done.
    best_epoch_ : int
        Epoch, from 1, whose weights were kept.
    history_ : History
        Loss and accuracy of each epoch.
    validation_rows_ : ndarray
        Rows of X, examples or sentences, that were held out.
    model_ : Sequential
        The net.

    See Also
    --------
    fastrnn.data.sentences_of : A text as sentences of words.

    Notes
    -----
    `score` is the mean logarithm of the probability of the next word, as of scikit-learn's mixture models, so that
    searches choose by it; accuracy is ``(model.predict(X) == y).mean()``. It is no classifier in scikit-learn's sense,
    whose probabilities are ordered by sorted classes; here they are by the number of the word. Nor does
    ``check_estimator`` apply, which fits numbers with fractions.

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

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train on contexts and the words after them, or on sentences.

        Ctrl-C ends training early with the best weights so far.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The words before, as words or numbers; or, without `y`, sentences as lists of words, of which every run of
            `order` words is an example. Numbers in an h5py.Dataset (or a mapped array, numpy.memmap) are read by
            blocks, with the same result; memory need not hold them.
        y : array-like (N,), optional
            The next words, as X has them; such a dataset, too.
        validation_data : tuple (X, y), optional
            A validation set, in place of `validation_fraction`; y is None for sentences.
        callbacks : iterable of callable
            Called after each epoch with its number, from 1, and the `History`.
        batch_callbacks : iterable of callable
            Called after each batch with a `BatchReport`.
        state : dict, optional
            From ``trainer_.state()`` of a run with the same data and parameters: go on from there.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If data or a parameter cannot be used; the message names it.
        DivergenceError
            If training diverges.
        """
        fitting = self.prepare(X, y, validation_data=validation_data, state=state)
        return self.train(fitting, callbacks, batch_callbacks, state)

    def prepare(
        self,
        X: Any,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        state: dict[str, Any] | None = None,
    ) -> Fitting:
        """
        Do all of `fit` but the training: check data and parameters, and build net and trainer.

        Parameters
        ----------
        X, y, validation_data, state
            As in `fit`; of the state the seed alone is taken.

        Returns
        -------
        Fitting
            For `train`.

        Raises
        ------
        TypeError, ValueError
            If data or a parameter cannot be used; the message names it.
        """
        order = check_integer("order", self.order, 2)
        for name in ("embedding", "hidden_size", "epochs", "batch_size"):
            check_integer(name, getattr(self, name), 1)
        if self.n_threads is not None:
            check_integer("n_threads", self.n_threads, 1)
        if self.unknown is not None and not isinstance(self.unknown, str):
            raise TypeError(f"unknown is {self.unknown!r}, expected a word or None")
        dtype = check_dtype(self.dtype)
        seed = self._seed(state)
        texts = check_texts(X, y, order)
        if validation_data is not None and (not isinstance(validation_data, tuple | list) or len(validation_data) != 2):
            raise ValueError(f"validation_data has type {type(validation_data).__name__}, expected a tuple (X, y)")
        vocabulary = self._learn_vocabulary(texts, dtype)
        parts: tuple[Array, ...] = ()
        if validation_data is None and self.validation_fraction:
            fraction = check_number("validation_fraction", self.validation_fraction, "(0, 1)")
            parts = validation_split(len(texts), fraction, generators(seed).split)
        model = self._net(len(vocabulary)).build((order - 1, len(vocabulary)), dtype, seed)
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

    def _learn_vocabulary(self, texts: Examples | Sentences, dtype: np.dtype[Any]) -> Vocabulary:
        size = None if self.vocabulary_size is None else check_integer("vocabulary_size", self.vocabulary_size, 2)
        if self.vocabulary is not None:
            if size is not None:
                raise ValueError(f"vocabulary_size is {size}, but vocabulary has the words; expected None")
            return Vocabulary(self.vocabulary)
        if not isinstance(texts, Examples) or not texts.has_numbers:
            return texts.learn(size, self.unknown)
        found = f"vocabulary_size is {size}"
        if size is None:
            largest, found = texts.largest()
            size = max(2, largest + 1)
        self._check_size(size, dtype, found)
        return Vocabulary(size)

    def _check_size(self, V: int, dtype: np.dtype[Any], found: str) -> None:
        """Refuse a vocabulary that no memory of this machine holds: it comes of numbers that are none of words."""
        per_word = dtype.itemsize * (self.embedding + self.hidden_size + 1)
        needed, available = COPIES * V * per_word, available_bytes()
        if available is not None and needed > available:
            raise ValueError(
                f"{found}, which makes {V:,} words, and training them with embedding {self.embedding} and hidden_size "
                f"{self.hidden_size} takes at least {needed / 1e9:,.0f} GB of memory; expected numbers 0..V-1 of fewer "
                f"words, or a smaller net, for the {available / 1e9:,.0f} GB there are"
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
        """The vectors of the words (V, D), a view of the net's."""
        return self.model_.parameters["0.W"]

    def predict(self, X: Any) -> Any:
        """
        Return the likeliest next word of each context.

        Parameters
        ----------
        X : array-like (N, order - 1), list of contexts, or one context
            The words before.

        Returns
        -------
        ndarray (N,)
            Words, or numbers of a model fitted with numbers alone; one itself for one context.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or X is no context or has a word that is refused.
        """
        logits, alone = self._logits(X)
        words = self.vocabulary_[np.concatenate([some.argmax(axis=1) for some in logits])]
        return words[0] if alone else words

    def predict_proba(self, X: Any) -> Array:
        """
        Return the probability of each word to be the next.

        Parameters
        ----------
        X : array-like (N, order - 1), list of contexts, or one context
            The words before.

        Returns
        -------
        ndarray (N, V) or (V,)
            float64; rows sum to 1; columns are ordered as `vocabulary_`.

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
        Return the likeliest next words.

        Parameters
        ----------
        contexts : array-like (N, order - 1), list of contexts, or one context
            The words before.
        k : int
            How many, at most V.

        Returns
        -------
        words : ndarray (N, k) or (k,)
            The likeliest first.
        probabilities : ndarray (N, k) or (k,)
            Theirs, float64.

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
        Return the words whose vectors have the most similar directions.

        Parameters
        ----------
        word : str, or int of a model fitted with numbers alone
            A word of the vocabulary.
        k : int
            How many, at most V - 1: the word itself is not among them.

        Returns
        -------
        words : ndarray (k,)
            The nearest first.
        similarities : ndarray (k,)
            Cosines of the angles between vectors, -1 to 1.

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
            The words before; or, without `y`, sentences.
        y : array-like (N,), optional
            The next words.

        Returns
        -------
        loss : float
            Mean of minus the natural logarithm of the probability of the next word.
        accuracy : float
            Share of next words that are the likeliest.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or data cannot be used.
        """
        check_is_fitted(self, "model_")
        (numbers,) = check_texts(X, y, self.n_features_in_ + 1).encode(self._vocabulary, self.unknown)
        trainer = Trainer(self.model_, "cross_entropy", n_threads=self.n_threads)
        loss, accuracy = trainer.evaluate(numbers.x, numbers.y, batch_size=AT_A_TIME)
        assert accuracy is not None
        return loss, accuracy

    def perplexity(self, X: Any, y: Any = None) -> float:
        """
        Return the perplexity: among how many equally likely words the model would be as unsure.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The words before; or, without `y`, sentences.
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
        Return the mean log-likelihood of the next words, so that more is better.

        Parameters
        ----------
        X : array-like (N, order - 1), or list of sentences
            The words before; or, without `y`, sentences.
        y : array-like (N,), optional
            The next words.

        Returns
        -------
        float
            Minus the cross-entropy; minus the natural logarithm of the perplexity.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `evaluate`.
        """
        return -self.evaluate(X, y)[0]

    def _logits(self, X: Any) -> tuple[Iterator[Array], bool]:
        """Return the logits of contexts, some at a time; is it one context alone?"""
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

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        self.model_, words = load_model(tree["model"], cells), tree["vocabulary"]
        K, V = self.n_features_in_, len(self.embeddings_)
        self._vocabulary = Vocabulary(V if words is None else words)
        if self.model_.input_shape != (K, len(self._vocabulary)) or self.model_.output_shape != (V,):
            raise ValueError(
                f"it takes {K} of {len(self._vocabulary)} words, but its net inputs {self.model_.input_shape}"
            )


def _check_k(k: Any, most: int) -> None:
    if check_integer("k", k, 1) > most:
        raise ValueError(f"k is {k}, expected at most {most}, as many words as there are")


def _largest(values: Array, k: int) -> tuple[Array, Array]:
    """Return where the k largest values of each row (N, V) are, in descending order, and the values."""
    some = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)  # ties go by number
    order = np.argsort(-np.take_along_axis(values, some, axis=1), axis=1, kind="stable")
    some = np.take_along_axis(some, order, axis=1)
    return some, np.take_along_axis(values, some, axis=1)
