"""A next-character model of texts."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice, check_integer, check_number, counted
from fastrnn._kernels.softmax import softmax
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data import streams_of, windows_of
from fastrnn.data.fingerprint import fingerprint
from fastrnn.estimators._base import Fitting
from fastrnn.estimators._net_base import RecurrentNetEstimator
from fastrnn.estimators.inputs.characters import check_text, check_vocabulary, encode, learn_vocabulary
from fastrnn.forecasting import steps_held_out
from fastrnn.layers import Dense, Dropout
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.models.stream import Stream
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.sampling import Sampler
from fastrnn.schedules import Schedule
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History

STREAMS = 8  # parallel ones in which a text is evaluated: enough to be quick, and so few that their beginnings are rare
AT_A_TIME = 256  # steps of these, or windows, that are in the net together


@dataclass(eq=False, repr=False)
class CharacterLanguageModel(RecurrentNetEstimator):
    """
    Predict the next character of a text from those before it (Sutskever et al. 2011; Karpathy 2015).

    Characters go straight into recurrent layers, whose kernel reads a row of weights for each: they never become
    one-hot vectors. A long text is cut into `batch_size` parallel streams, which are read window by window; the state
    at the end of one is where the next begins, and gradients go back to the beginning of the window (truncated
    backpropagation through time). With ``stateful=False`` each window of `window` characters is an example by itself,
    with the one character after it, as in many exercises.

    Parameters
    ----------
    cell : {"rnn", "rnn_relu", "rnn_sigmoid", "lstm", "gru"} or Cell
        The cell.
    hidden_size : int
        Hidden units of a layer.
    layers : int
        Recurrent layers on top of each other.
    window : int
        Characters that gradients go back.
    batch_size : int
        Parallel streams; without state, windows in a batch.
    stateful : bool
        Carry the state from window to window.
    step : int
        Without state, characters from the beginning of a window to that of the next.
    vocabulary : str or None
        The characters by number; None learns them from the text, in their order in Unicode.
    dropout : float
        Rate at which outputs of recurrent layers are dropped in training.
    recurrent_dropout : float
        Rate within the recurrence, by one mask for all steps of a window.
    optimizer : {"adam", "sgd"} or Optimizer
        A name, or an object such as ``fastrnn.SGD(0.5, momentum=0.9)``, which has its own learning rate.
    learning_rate : float
        For an optimizer given by name.
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        How the learning rate changes by epoch; None keeps it.
    epochs : int
        Most epochs.
    validation_fraction : float or None
        Share of the text, its end, held out to choose the best epoch; None or 0 trains on all.
    patience : int or None
        Stop after so many epochs without a better validation loss; None never stops early.
    clip_norm : float or None
        Largest norm of a batch's gradient.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial weights.
    forget_bias : float
        Initial bias of the LSTM's forget gate.
    n_threads : int or None
        Number of threads; None takes as many as the problem is worth.
    random_state : int, RandomState or None
        Seed of weights and dropout.
    dtype : {"float32", "float64"}
        Precision of the net.
    verbose : int
        Above 0, print a line each epoch.

    Attributes
    ----------
    vocabulary_ : str
        The characters by number.
    window_, stateful_ : int, bool
        The parameters that it was fitted with, and reads with.
    n_features_in_ : int
        1: a character.
    n_iter_ : int
        Number of epochs done.
    best_epoch_ : int
        Epoch, from 1, whose weights were kept.
    history_ : History
        Loss, in nats a character, and accuracy of each epoch.
    model_ : Sequential
        The net.

    Notes
    -----
    `evaluate`, and validation, read a text in eight parallel streams, of which each begins without a character before.

    References
    ----------
    I. Sutskever, J. Martens and G. Hinton, "Generating text with recurrent neural networks", ICML 2011.
    A. Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015.

    Examples
    --------
    >>> from fastrnn import CharacterLanguageModel
    >>> text = "to be, or not to be: that is the question. " * 40
    >>> model = CharacterLanguageModel(hidden_size=32, layers=1, window=20, batch_size=8, epochs=12, learning_rate=0.02)
    >>> "".join(model.set_params(random_state=0).fit(text).generate("to be, ", 20, temperature=0))
    'or not to be: that i'
    """

    _optimizers: ClassVar[Mapping[str, Optimizer]] = {
        "adam": Adam(4e-3),
        "sgd": SGD(1.0, momentum=0.9, form="nesterov"),
    }

    cell: str | Cell = "lstm"
    hidden_size: int = 256
    layers: int = 2
    window: int = 64
    _: KW_ONLY
    stateful: bool = True
    step: int = 3
    vocabulary: str | None = None
    dropout: float = 0.2
    schedule: str | Schedule | None = "cosine"
    epochs: int = 12

    def fit(
        self,
        X: str,
        y: None = None,
        *,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train on a text.

        Ctrl-C ends training early with the best weights so far.

        Parameters
        ----------
        X : str
            The text.
        y : None
            Not used.
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
            If the text or a parameter cannot be used; the message names it.
        DivergenceError
            If training diverges.
        """
        return self.train(self.prepare(X, state=state), callbacks, batch_callbacks, state)

    def prepare(self, X: str, y: None = None, *, state: dict[str, Any] | None = None) -> Fitting:
        """
        Do all of `fit` but the training: check text and parameters, and build net and trainer.

        Parameters
        ----------
        X, y
            As in `fit`.
        state : dict, optional
            As in `fit`; the seed alone is taken.

        Returns
        -------
        Fitting
            For `train`.

        Raises
        ------
        TypeError, ValueError
            If the text or a parameter cannot be used; the message names it.
        """
        check_choice("stateful", self.stateful, (False, True))
        for name in ("epochs", "batch_size", "window", "step"):
            check_integer(name, getattr(self, name), 1)
        if self.n_threads is not None:
            check_integer("n_threads", self.n_threads, 1)
        text = check_text(X)
        vocabulary = learn_vocabulary(text) if self.vocabulary is None else check_vocabulary(self.vocabulary)
        symbols = encode(vocabulary, text)
        training, held_out = self._divide(symbols)
        seed = self._seed(state)
        model = self._net(len(vocabulary)).build((None, len(vocabulary)), self.dtype, seed)
        trainer = self._make_trainer(model, "cross_entropy", seed)
        if self.stateful:
            examples = streams_of(training, self.batch_size)
        else:
            examples = windows_of(training, self.window, self.step)
        self.model_, self.trainer_, self.vocabulary_, self.n_features_in_ = model, trainer, vocabulary, 1
        self._keep_parameters()
        validation = None if held_out is None else self._examples(held_out)
        known = {"characters": fingerprint(np.array(list(vocabulary)))}
        return Fitting(trainer, *examples, validation=validation, window=self._carried_window, known=known)

    def _divide(self, symbols: Array) -> tuple[Array, Array | None]:
        """Return what is trained with, and the end of the text that is held out."""
        needed = 2 if self.stateful else self.window + 1
        training, held_out = symbols, None
        if self.validation_fraction:
            fraction = check_number("validation_fraction", self.validation_fraction, "(0, 1)")
            first = len(symbols) - steps_held_out(len(symbols), fraction)
            training, held_out = symbols[:first], symbols[first:]
        for name, part in (("to train", training), ("to validate", held_out)):
            if part is not None and len(part) < needed:
                raise ValueError(f"the text has {counted(len(part), 'character')} {name}, expected at least {needed}")
        return training, held_out

    def _examples(self, symbols: Array) -> tuple[Array, Array]:
        """Return what a text is evaluated with."""
        return streams_of(symbols, STREAMS) if self.stateful_ else windows_of(symbols, self.window_)

    @property
    def _carried_window(self) -> int | None:
        return self.window_ if self.stateful_ else None

    def _net(self, V: int) -> Sequential:
        recurrent = self._make_recurrent(return_sequences=self.stateful)
        return Sequential([recurrent, Dropout(self.dropout), Dense(V, initializer=self.initializer)])

    # ---- using ------------------------------------------------------------------------------------------------------

    def predict_proba(self, X: str) -> Array:
        """
        Return the probability of each character to be the next.

        Parameters
        ----------
        X : str
            A text, of which a stateful model reads all, and another the last `window` characters.

        Returns
        -------
        ndarray (V,)
            float64; ordered as `vocabulary_`.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or the text is too short or has a character that is unknown.
        """
        return softmax(self._last_logits(self._encode_prompt(X))[None])[0]

    def generate(
        self,
        prompt: str,
        length: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: int | None = None,
    ) -> Iterator[str]:
        """
        Write on from a text, a character at a time.

        Parameters
        ----------
        prompt : str
            Where it begins.
        length : int
            Number of characters to write.
        temperature, top_k, top_p
            How they are drawn: see `fastrnn.sampling.Sampler`.
        random_state : int, optional
            Seed; None for another text each time.

        Returns
        -------
        iterator of str
            The characters, each when it is drawn.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, an argument has the wrong type or value, or the prompt is too short or has a
            character that is unknown.
        """
        symbols, sampler = self._encode_prompt(prompt), Sampler(temperature, top_k, top_p)
        check_integer("length", length, 0)
        if random_state is not None:
            check_integer("random_state", random_state, 0)
        return self._write(symbols, length, sampler, np.random.default_rng(random_state))

    def _write(self, symbols: Array, length: int, sampler: Sampler, rng: np.random.Generator) -> Iterator[str]:
        if not self.stateful_:
            read = deque(symbols.tolist(), maxlen=self.window_)
            for _ in range(length):
                read.append(sampler(self._last_logits(np.array(read)), rng))
                yield self.vocabulary_[read[-1]]
            return
        stream = Stream(self.model_)
        for symbol in symbols:
            logits = stream.step(np.array([symbol]))
        for _ in range(length):
            symbol = sampler(logits[0], rng)
            yield self.vocabulary_[symbol]
            logits = stream.step(np.array([symbol]))

    def _last_logits(self, symbols: Array) -> Array:
        """Return the logits (V,) of what comes after a text."""
        read = symbols if self.stateful_ else symbols[-self.window_ :]
        logits, _ = self.model_.forward(read[None], n_threads=self.n_threads)
        return logits[0, -1] if self.stateful_ else logits[0]

    def _encode_prompt(self, text: Any) -> Array:
        check_is_fitted(self, "model_")
        symbols, needed = encode(self.vocabulary_, check_text(text)), 1 if self.stateful_ else self.window_
        if len(symbols) < needed:
            least = counted(needed, "character") + (", which the model reads" if needed > 1 else "")
            given = counted(len(symbols), "character")
            raise ValueError(f"the text to go on from has {given}, expected at least {least}")
        return symbols

    def evaluate(self, X: str, y: None = None) -> tuple[float, float]:
        """
        Return cross-entropy and accuracy.

        Parameters
        ----------
        X : str
            A text.
        y : None
            Not used.

        Returns
        -------
        loss : float
            Mean of minus the natural logarithm of the probability of the next character: nats a character.
        accuracy : float
            Share of next characters that are the likeliest.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or the text is too short or has a character that is unknown.
        """
        check_is_fitted(self, "model_")
        symbols, needed = encode(self.vocabulary_, check_text(X)), 2 if self.stateful_ else self.window_ + 1
        if len(symbols) < needed:
            raise ValueError(f"the text has {counted(len(symbols), 'character')}, expected at least {needed}")
        trainer = Trainer(self.model_, "cross_entropy", n_threads=self.n_threads)
        loss, accuracy = trainer.evaluate(*self._examples(symbols), window=self._carried_window, batch_size=AT_A_TIME)
        assert accuracy is not None
        return loss, accuracy

    def score(self, X: str, y: None = None) -> float:
        """
        Return the mean log-likelihood of the characters of a text, so that more is better.

        Parameters
        ----------
        X : str
            A text.
        y : None
            Not used.

        Returns
        -------
        float
            Minus the cross-entropy, in nats a character.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `evaluate`.
        """
        return -self.evaluate(X)[0]

    # ---- files ------------------------------------------------------------------------------------------------------

    def _keep_parameters(self) -> None:
        self.window_, self.stateful_ = self.window, self.stateful

    def _kept_parameters(self) -> dict[str, Any]:
        return {"window": self.window_, "stateful": self.stateful_}

    def _fitted_tree(self) -> dict[str, Any]:
        return {"model": self.model_.to_tree(), "vocabulary": self.vocabulary_}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        self.model_ = load_model(tree["model"], cells)
        self.vocabulary_ = check_vocabulary(tree["vocabulary"])
        V = len(self.vocabulary_)
        if self.model_.input_shape != (None, V) or self.model_.output_shape[-1] != V:
            raise ValueError(f"it has {V} characters, but its net takes {self.model_.input_shape}")
