"""A net that translates sequences of symbols: texts by their characters, sentences by their words."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice, check_integer
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.fingerprint import fingerprint
from fastrnn.decoding import decode
from fastrnn.estimators._base import Fitting, RunState, Validation
from fastrnn.estimators._net_base import RecurrentNetEstimator
from fastrnn.estimators.inputs.symbols import Row, Symbols, check_rows, learn_symbols
from fastrnn.layers import Dense, Embedding, Layer
from fastrnn.models.encoder_decoder import EncoderDecoder, load_encoder_decoder
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.schedules import Schedule
from fastrnn.training import Trainer

END, PADDING = 0, -1  # target symbols are counted from 1
AT_A_TIME = 1024  # sequences that are in the net together


@dataclass(eq=False, repr=False)
class SequenceTranslator(RecurrentNetEstimator):
    """
    Translate sequences of symbols into others: an encoder reads, a decoder writes (Sutskever et al. 2014).

    A sequence is a text, whose symbols are its characters, or a list of words; sources and targets may be of different
    kinds. The decoder starts from the encoder's final state. It is trained with the true previous symbols (teacher
    forcing), and writes until it gives the symbol for the end.

    Parameters
    ----------
    layers : int
        Number of stacked recurrent layers, of the encoder and of the decoder.
    embedding : int or None
        Size of the symbols' embedding vectors; None feeds symbols to the cell directly, which suits small alphabets.
    dropout : float
        Dropout rate after every layer: embeddings, recurrent layers, and before the logits.
    reverse : bool
        Read sources from their end, so that the last symbols read are the first ones written.
    source_vocabulary : sequence of str or None
        Symbols to read; None learns them from X.
    target_vocabulary : sequence of str or None
        Symbols to write; None learns them from y.
    beam_size : int
        Number of candidates that `predict` keeps in beam search; 1 is greedy search. You may change it after `fit`.
    max_steps : int or None
        Maximum number of symbols that `predict` writes, with the end; None takes that of the longest training target.
    validation_fraction : float or None
        Share of the examples held out to choose the best epoch; None or 0 trains on all of them.
    patience : int or None
        Stop after this many epochs without a better validation loss; None never stops early, as suits a schedule over
        all epochs.

    Attributes
    ----------
    source_vocabulary_ : ndarray
        The symbols to read, by number.
    target_vocabulary_ : ndarray
        The symbols to write; the decoder's numbers are one higher, as 0 is the end.
    reads_texts_ : bool
        True if sources are texts, False if they are lists of words.
    reverse_ : bool
        The `reverse` that it was fitted with.
    max_steps_ : int
        Maximum number of symbols that `predict` writes, with the end.
    n_features_in_ : int
        Number of different symbols to read.
    history_ : History
        Loss and accuracy per symbol of each epoch, and the exact match: the share of sequences that greedy search
        writes without an error.
    validation_rows_ : ndarray
        Rows of X that were held out.
    model_ : EncoderDecoder
        The net.

    Notes
    -----
    The accuracy per symbol is measured with the true previous symbols, so it is much higher than the share of correct
    sequences. ``check_estimator`` does not apply, because it fits numbers.

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

    def prepare(self, X: Any, y: Any = None, *, validation_data: Validation = None, state: RunState = None) -> Fitting:
        """
        Do all of `fit` except training: check the data and the parameters, and build the net and its trainer.

        Parameters
        ----------
        X : list of str, or of lists of words
            The sources, none of them empty.
        y : list of str, or of lists of words
            The targets.
        """
        self._check_parameters()
        seed = self._seed(state)
        source = _learn("source_vocabulary", self.source_vocabulary, "X", X)
        target = _learn("target_vocabulary", self.target_vocabulary, "y", y)
        questions, answers = _check_pairs(source, target, X, y)
        training, held_out = self._hold_out(len(questions), seed, validation_data)
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
        self._check_training()
        check_integer("beam_size", self.beam_size, 1)
        for name in ("max_steps", "embedding"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        check_choice("reverse", self.reverse, (False, True))

    def _net(self, n_source: int, n_target: int) -> EncoderDecoder:
        def vectors(n: int) -> list[Layer]:
            return [] if self.embedding is None else [Embedding(n, self.embedding), *dropout]

        dropout = self._make_dropout()
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
        Write the most likely sequence that the search finds for each source.

        Parameters
        ----------
        X : list of str, or of lists of words
            The sources, as in `fit`.

        Returns
        -------
        list of str, or of lists of words
            The sequences written, of the kind of `y` in `fit`.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or X has an unknown symbol.
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
        Return the share of sequences written without an error.

        Parameters
        ----------
        X : list of str, or of lists of words
            The sources.
        y : list of str, or of lists of words
            The targets.

        Returns
        -------
        float
            The share, 0 to 1.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `predict`, and if y has another length than X.
        """
        written = self.predict(X)
        wanted, _ = check_rows("y", y)
        if len(wanted) != len(written):
            raise ValueError(f"y has {len(wanted)} sequences, expected {len(written)}: one for each of X")
        return sum(list(own) == list(true) for own, true in zip(written, wanted, strict=True)) / len(written)

    def evaluate(self, X: Any, y: Any) -> tuple[float, float]:
        """
        Return cross-entropy and accuracy per symbol, the end included, given the true previous symbols.

        Parameters
        ----------
        X : list of str, or of lists of words
            The sources.
        y : list of str, or of lists of words
            The targets.

        Returns
        -------
        loss : float
            Mean negative log-likelihood of the true symbol, in nats.
        accuracy : float
            Share of symbols that were predicted as the most likely.

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
        """Return the inputs of the encoder: numbers (N, T) and lengths (N,)."""
        return self._source.pad([row[::-1] for row in questions] if self.reverse_ else questions, 0, 0)

    def _encode(self, questions: Sequence[Row], answers: Sequence[Row]) -> tuple[Array, Array, Array]:
        """Return the arrays to train on: numbers (N, T), lengths (N,), and targets (N, U) with their ends."""
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

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        self.model_, self.max_steps_ = load_encoder_decoder(tree["model"], cells, classes), tree["max_steps"]
        self._source, self._target = (Symbols(**tree[name], name=name) for name in ("source", "target"))
        reads, writes = self.model_.encoder.input_shape[-1], self.model_.n_symbols
        if (reads, writes) != (len(self._source), len(self._target) + 1):
            raise ValueError(
                f"it knows {len(self._source)} and {len(self._target)} symbols, but its net reads {reads} "
                f"and writes {writes - 1}"
            )


def _learn(name: str, given: Any, side: str, rows: Any) -> Symbols:
    """Return the given symbols, or else those of the sequences."""
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
