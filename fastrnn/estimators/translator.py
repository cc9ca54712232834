"""Sequences of symbols to others: texts by their characters, sentences by their words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice, check_integer, check_number
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.fingerprint import fingerprint
from fastrnn.decoding import decode
from fastrnn.estimators._base import Fitting
from fastrnn.estimators._net_base import RecurrentNetEstimator
from fastrnn.estimators.inputs.symbols import Row, Symbols, check_rows, learn_symbols
from fastrnn.layers import Dense, Dropout, Embedding, Layer
from fastrnn.models.encoder_decoder import EncoderDecoder, load_encoder_decoder
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.schedules import Schedule
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History
from fastrnn.training.splits import validation_split

END, PADDING = 0, -1  # target symbols are counted from 1
AT_A_TIME = 1024  # sequences that are in the net together


@dataclass(eq=False, repr=False)
class SequenceTranslator(RecurrentNetEstimator):
    """
    Learn to write a sequence of symbols for another: an encoder reads, a decoder writes (Sutskever et al. 2014).

    Sequences are texts, whose symbols are their characters, or lists of words; what is read and what is written need
    not be of the same kind. The decoder begins with the encoder's last state, is trained with the true symbols before
    (teacher forcing), and writes until it gives the symbol for the end.

    Parameters
    ----------
    cell : {"lstm", "gru", "rnn", "rnn_relu", "rnn_sigmoid"} or Cell
        The recurrent cell of both.
    hidden_size : int
        Hidden units of each layer.
    layers : int
        Recurrent layers on top of each other, of the encoder as of the decoder.
    embedding : int or None
        Numbers in the vector of a symbol; None gives each symbol weights of its own in the cell, which suits small
        alphabets.
    dropout : float
        Rate after every layer: vectors, recurrent ones and before the logits.
    recurrent_dropout : float
        Rate of the hidden units within the recurrence, one mask for all steps.
    reverse : bool
        Read sequences from their end, so that what is read last is what is written first.
    source_vocabulary, target_vocabulary : sequence of str or None
        The symbols to read and to write; None learns them from X and y.
    beam_size : int
        How many of the likeliest beginnings `predict` follows; 1 is greedy search. It may change after `fit`.
    max_steps : int or None
        Most symbols that `predict` writes, the end included; None is what the longest sequence of y in training has.
    optimizer : {"adam", "sgd"} or Optimizer
        A name, or an object such as ``fastrnn.Adam(4e-3, beta2=0.99)``, which has its own learning rate.
    learning_rate : float
        For an optimizer given by name.
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        How the learning rate changes by epoch; None keeps it.
    epochs : int
        Most epochs.
    batch_size : int
        Examples in a batch.
    validation_fraction : float or None
        Share of the examples held out to choose the best epoch; None or 0 trains on all.
    patience : int or None
        Stop after so many epochs without a better validation loss; None never stops early, which suits a schedule that
        ends with the last epoch.
    clip_norm : float or None
        Largest norm of a batch's gradient.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial weights.
    forget_bias : float
        Initial bias of the LSTM's forget gate.
    n_threads : int or None
        Number of threads; None takes as many as the problem is worth.
    random_state : int, RandomState or None
        Seed of weights, split, order and dropout.
    dtype : {"float32", "float64"}
        Precision of the net.
    verbose : int
        Above 0, print a line each epoch.

    Attributes
    ----------
    source_vocabulary_, target_vocabulary_ : ndarray
        The symbols by number; the decoder's numbers are one more, as 0 is the end.
    reads_texts_ : bool
        Are texts read, rather than lists of words?
    reverse_ : bool
        Is what is read turned round, as in training?
    max_steps_ : int
        Most symbols that `predict` writes, the end included.
    n_features_in_ : int
        How many symbols there are to read.
    n_iter_ : int
        Number of epochs done.
    best_epoch_ : int
        Epoch, from 1, whose weights were kept.
    history_ : History
        Of each epoch the loss and the accuracy by symbol, and the exact match: the share of sequences that are right
        in every symbol, as greedy search finds them.
    validation_rows_ : ndarray
        Rows of X that were held out.
    model_ : EncoderDecoder
        The net.

    Notes
    -----
    An accuracy by symbol is measured with the true symbols before, and so is much above the share of right sequences.
    ``check_estimator`` does not apply, as it fits numbers.

    References
    ----------
    I. Sutskever, O. Vinyals and Q. V. Le, "Sequence to sequence learning with neural networks", NIPS 2014.

    Examples
    --------
    >>> from fastrnn import SequenceTranslator
    >>> words = [a + b + c for a in "abcde" for b in "abcde" for c in "abcde"]
    >>> model = SequenceTranslator(hidden_size=32, learning_rate=0.02, epochs=30, batch_size=16, random_state=0)
    >>> model.fit(words, [word[::-1].upper() for word in words]).predict(["bad", "abc"])
    ['DAB', 'CBA']
    """

    _optimizers: ClassVar[Mapping[str, Optimizer]] = {
        "adam": Adam(12e-3, weight_decay=0.05),
        "sgd": SGD(0.5, momentum=0.9, form="nesterov"),
    }

    cell: str | Cell = "lstm"
    embedding: int | None = None
    _: KW_ONLY
    reverse: bool = True
    source_vocabulary: Sequence[str] | None = None
    target_vocabulary: Sequence[str] | None = None
    beam_size: int = 1
    max_steps: int | None = None
    schedule: str | Schedule | None = "cosine"
    epochs: int = 40
    batch_size: int = 128

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        validation_data: tuple[Any, Any] | None = None,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train on sequences, and what is to be written for them.

        Ctrl-C ends training early with the best weights so far.

        Parameters
        ----------
        X : list of str, or of lists of words
            What is read; none of them empty.
        y : list of str, or of lists of words
            What is written.
        validation_data : tuple (X, y), optional
            A validation set, in place of `validation_fraction`.
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
        y: Any,
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
        self._check_parameters()
        seed = self._seed(state)
        source = _learn("source_vocabulary", self.source_vocabulary, "X", X)
        target = _learn("target_vocabulary", self.target_vocabulary, "y", y)
        questions, answers = _check_pairs(source, target, X, y)
        training, held_out = np.arange(len(questions)), np.arange(0)
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ValueError(f"validation_data has type {type(validation_data).__name__}, expected a tuple (X, y)")
        elif self.validation_fraction:
            fraction = check_number("validation_fraction", self.validation_fraction, "(0, 1)")
            training, held_out = validation_split(len(questions), fraction, generators(seed).split)
        model = self._net(len(source), len(target) + 1).build((None, len(source)), len(target) + 1, self.dtype, seed)
        trainer = self._make_trainer(model, "cross_entropy", seed)
        self._source, self._target, self.n_features_in_ = source, target, len(source)
        self.model_, self.trainer_, self.validation_rows_ = model, trainer, held_out
        self._keep_parameters()
        x, lengths, codes = self._encode(questions, answers)
        self.max_steps_ = self.max_steps or codes.shape[1]
        validation = None
        if validation_data is not None:
            own, own_lengths, own_codes = self._encode(*_check_pairs(source, target, *validation_data))
            validation = (own, own_codes, own_lengths)
        elif len(held_out):
            validation = (x[held_out], codes[held_out], lengths[held_out])
        known = {"symbols read": fingerprint(source.array), "symbols written": fingerprint(target.array)}
        return Fitting(trainer, x[training], codes[training], lengths[training], validation=validation, known=known)

    def _check_parameters(self) -> None:
        for name in ("epochs", "batch_size", "beam_size"):
            check_integer(name, getattr(self, name), 1)
        for name in ("n_threads", "max_steps", "embedding"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        check_choice("reverse", self.reverse, (False, True))

    def _net(self, n_source: int, n_target: int) -> EncoderDecoder:
        def vectors(n: int) -> list[Layer]:
            return [] if self.embedding is None else [Embedding(n, self.embedding), *dropout]

        dropout: list[Layer] = [Dropout(self.dropout)] if self.dropout else []
        encoder = [*vectors(n_source), self._make_recurrent(return_sequences=False)]
        decoder = [*vectors(n_target + 1), self._make_recurrent(return_sequences=True)]  # one more: the beginning
        return EncoderDecoder(encoder, [*decoder, *dropout, Dense(n_target, initializer=self.initializer)])

    # ---- using ------------------------------------------------------------------------------------------------------

    @property
    def reads_texts_(self) -> bool:
        """True if texts are read, False for lists of words."""
        return self._source.of_texts

    @property
    def source_vocabulary_(self) -> Array:
        """The symbols to read."""
        return self._source.array

    @property
    def target_vocabulary_(self) -> Array:
        """The symbols to write."""
        return self._target.array

    def predict(self, X: Any) -> list[Any]:
        """
        Write the likeliest sequence that is found for each one read.

        Parameters
        ----------
        X : list of str, or of lists of words
            What is read, as in training.

        Returns
        -------
        list of str, or of lists of words
            What is written, as `y` in training.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or X has a symbol that it does not know.
        """
        check_is_fitted(self, "model_")
        x, lengths = self._read(_check_questions(self._source, X))
        options: dict[str, Any] = {"beam_size": self.beam_size, "max_steps": self.max_steps_}
        numbers, _ = decode(self.model_, x, lengths, end=END, n_threads=self.n_threads, **options)
        symbols: list[str] = self.target_vocabulary_.tolist()
        written = [[symbols[number - 1] for number in row if number > END] for row in numbers.tolist()]
        return ["".join(row) for row in written] if self._target.of_texts else written

    def score(self, X: Any, y: Any) -> float:
        """
        Return the share of sequences that are written right in every symbol.

        Parameters
        ----------
        X : list of str, or of lists of words
            What is read.
        y : list of str, or of lists of words
            What is to be written.

        Returns
        -------
        float
            Their share.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `predict`, or if y has another length.
        """
        written = self.predict(X)
        wanted, _ = check_rows("y", y)
        if len(wanted) != len(written):
            raise ValueError(f"y has {len(wanted)} sequences, expected {len(written)}: one for each of X")
        return sum(list(own) == list(true) for own, true in zip(written, wanted, strict=True)) / len(written)

    def evaluate(self, X: Any, y: Any) -> tuple[float, float]:
        """
        Return cross-entropy and accuracy by symbol, the end included, each predicted from the true ones before.

        Parameters
        ----------
        X : list of str, or of lists of words
            What is read.
        y : list of str, or of lists of words
            What is to be written.

        Returns
        -------
        loss : float
            Mean over symbols of minus the natural logarithm of the probability of the true one.
        accuracy : float
            Share of symbols that are the likeliest.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or data cannot be used.
        """
        check_is_fitted(self, "model_")
        x, lengths, codes = self._encode(*_check_pairs(self._source, self._target, X, y))
        trainer = Trainer(self.model_, "cross_entropy", n_threads=self.n_threads)
        loss, accuracy = trainer.evaluate(x, codes, lengths=lengths, batch_size=AT_A_TIME)
        assert accuracy is not None
        return loss, accuracy

    def _read(self, questions: Sequence[Row]) -> tuple[Array, Array]:
        """Return what the encoder takes: numbers (N, T) and lengths (N,)."""
        return self._source.pad([row[::-1] for row in questions] if self.reverse_ else questions, 0, 0)

    def _encode(self, questions: Sequence[Row], answers: Sequence[Row]) -> tuple[Array, Array, Array]:
        """Return what the trainer takes: numbers (N, T), lengths (N,), and targets (N, U) with their ends."""
        x, lengths = self._read(questions)
        codes, ends = self._target.pad(answers, 1, PADDING)
        codes = np.pad(codes, ((0, 0), (0, 1)), constant_values=PADDING)
        codes[np.arange(len(codes)), ends] = END
        return x, lengths, codes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    # ---- files ------------------------------------------------------------------------------------------------------

    def _keep_parameters(self) -> None:
        self.reverse_ = self.reverse

    def _kept_parameters(self) -> dict[str, Any]:
        return {"reverse": self.reverse_}

    def _fitted_tree(self) -> dict[str, Any]:
        sides = {"source": self._source, "target": self._target}
        kept = {name: {"symbols": list(own.numbers), "of_texts": own.of_texts} for name, own in sides.items()}
        return {"model": self.model_.to_tree(), "max_steps": self.max_steps_, **kept}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        self.model_, self.max_steps_ = load_encoder_decoder(tree["model"], cells), tree["max_steps"]
        self._source, self._target = (Symbols(**tree[name], name=name) for name in ("source", "target"))
        reads, writes = self.model_.encoder.input_shape[-1], self.model_.n_symbols
        if (reads, writes) != (len(self._source), len(self._target) + 1):
            raise ValueError(
                f"it knows {len(self._source)} and {len(self._target)} symbols, but its net reads {reads} "
                f"and writes {writes - 1}"
            )


def _learn(name: str, given: Any, side: str, rows: Any) -> Symbols:
    """Return the symbols that are given, or else those that sequences have."""
    found, of_texts = check_rows(side, rows)
    return learn_symbols(found, of_texts, side) if given is None else Symbols(given, of_texts, name)


def _check_pairs(source: Symbols, target: Symbols, X: Any, y: Any) -> tuple[list[Row], list[Row]]:
    questions, answers = _check_questions(source, X), target.check("y", y)
    if len(answers) != len(questions):
        raise ValueError(f"y has {len(answers)} sequences, expected {len(questions)}: one for each of X")
    return questions, answers


def _check_questions(source: Symbols, X: Any) -> list[Row]:
    questions = source.check("X", X)
    empty = next((index for index, row in enumerate(questions) if not row), None)
    if empty is not None:
        raise ValueError(f"X[{empty}] is empty, expected at least one symbol")
    return questions
