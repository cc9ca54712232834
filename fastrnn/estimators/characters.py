"""A next-character model of texts."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice, check_integer, counted
from fastrnn._kernels.softmax import softmax
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data import streams_of, windows_of
from fastrnn.data.fingerprint import fingerprint
from fastrnn.estimators._base import Fitting, RunState, Validation
from fastrnn.estimators._net_base import RecurrentNetEstimator
from fastrnn.estimators.inputs.characters import check_text, check_vocabulary, encode, learn_vocabulary
from fastrnn.forecasting import steps_held_out
from fastrnn.layers import Dense, Dropout
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.models.stream import Stream
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.sampling import Sampler
from fastrnn.schedules import Schedule
from fastrnn.training import Trainer

STREAMS = 8  # parallel streams of an evaluated text: enough to be fast, and few, as each starts without its past
AT_A_TIME = 256  # steps of these streams, or windows, that are in the net together


@dataclass(eq=False, repr=False)
class CharacterLanguageModel(RecurrentNetEstimator):
    """
    Predict the next character of a text from those before it (Sutskever et al. 2011; Karpathy 2015).

    Characters go straight into recurrent layers, whose kernel reads a row of weights for each of them, without one-hot
    vectors. A long text is cut into `batch_size` parallel streams, which are read window by window. The state at the
    end of a window starts the next one, and gradients go back to the beginning of the window (truncated
    backpropagation through time). With ``stateful=False`` each window is an example of its own, and its target is the
    character after it.

    Parameters
    ----------
    batch_size : int
        Number of parallel streams, or of windows per batch if not stateful.
    window : int
        Number of characters that gradients go back.
    stateful : bool
        Carry the state from each window to the next.
    step : int
        Number of characters from the start of a window to the start of the next, if not stateful.
    vocabulary : str or None
        The characters by number; None learns them from the text, in Unicode order.
    dropout : float
        Dropout rate of the outputs of recurrent layers.
    validation_fraction : float or None
        Share at the end of the text held out as a validation set; None or 0 trains on all of it.
    random_state : int, RandomState or None
        Seed of the initial weights, the order of the windows and dropout.

    Attributes
    ----------
    vocabulary_ : str
        The characters by number.
    window_ : int
        The `window` that it was fitted with.
    stateful_ : bool
        The `stateful` that it was fitted with.
    n_features_in_ : int
        1: a character.
    history_ : History
        Loss, in nats per character, and accuracy of each epoch.

    Notes
    -----
    `evaluate` and validation read a text in eight parallel streams, each of which starts from a zero state.

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

    def prepare(self, X: str, y: None = None, *, validation_data: Validation = None, state: RunState = None) -> Fitting:
        """
        Do all of `fit` except training: check the text and the parameters, and build the net and its trainer.

        Parameters
        ----------
        X : str
            The text.
        y : None
            Not used.
        validation_data : tuple (X, None), optional
            As in `fit`; the text may only have characters of the vocabulary, which is learned from the training text.
        """
        check_choice("stateful", self.stateful, (False, True))
        self._check_training()
        for name in ("window", "step"):
            check_integer(name, getattr(self, name), 1)
        text = check_text(X)
        vocabulary = learn_vocabulary(text) if self.vocabulary is None else check_vocabulary(self.vocabulary)
        training, held_out = self._divide(encode(vocabulary, text), vocabulary, validation_data)
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

    def _divide(self, symbols: Array, vocabulary: str, validation_data: Any) -> tuple[Array, Array | None]:
        """Return what is trained on, and what is validated on: the end of the text or a text of its own."""
        fraction = self._fraction(validation_data)
        training, held_out = symbols, None
        if validation_data is not None:
            text, y = validation_data
            if y is not None:
                raise TypeError("validation_data has a y, but the targets are characters of X; expected (X, None)")
            name = "the text of validation_data"
            held_out = encode(vocabulary, check_text(text, "X of validation_data"), name)
        elif fraction:
            first = len(symbols) - steps_held_out(len(symbols), fraction)
            training, held_out = symbols[:first], symbols[first:]
        needed = 2 if self.stateful else self.window + 1
        for name, part in (("to train", training), ("to validate", held_out)):
            if part is not None and len(part) < needed:
                raise ValueError(f"the text has {counted(len(part), 'character')} {name}, expected at least {needed}")
        return training, held_out

    def _examples(self, symbols: Array) -> tuple[Array, Array]:
        """Return the examples that a text is evaluated on."""
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
        Return the probability of each character to come next.

        Parameters
        ----------
        X : str
            A text. A stateful model reads all of it, another one the last `window` characters.

        Returns
        -------
        ndarray (V,)
            float64, in the order of `vocabulary_`.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or the text is too short or has an unknown character.
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
        Continue a text, one character at a time.

        Parameters
        ----------
        prompt : str
            The text to continue.
        length : int
            Number of characters to write.
        temperature, top_k, top_p
            How characters are drawn; see `fastrnn.sampling.Sampler`.
        random_state : int, optional
            Seed; None gives another text each time.

        Returns
        -------
        iterator of str
            The characters, each as soon as it is drawn.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, an argument has the wrong type or value, or the prompt is too short or has an
            unknown character.
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
        """Return the logits (V,) of the next character."""
        read = symbols if self.stateful_ else symbols[-self.window_ :]
        logits, _ = self.model_.forward(read[None], n_threads=self.n_threads)
        return logits[0, -1] if self.stateful_ else logits[0]

    def _encode_prompt(self, text: Any) -> Array:
        check_is_fitted(self, "model_")
        symbols, needed = encode(self.vocabulary_, check_text(text)), 1 if self.stateful_ else self.window_
        if len(symbols) < needed:
            least = counted(needed, "character") + (", which the model reads" if needed > 1 else "")
            given = counted(len(symbols), "character")
            raise ValueError(f"the text to continue has {given}, expected at least {least}")
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
            Mean negative log-likelihood of the next character, in nats per character.
        accuracy : float
            Share of characters that were predicted as the most likely.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If the model is not fitted, or the text is too short or has an unknown character.
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
        Return the mean log-likelihood of the characters of a text; higher is better.

        Parameters
        ----------
        X : str
            A text.
        y : None
            Not used.

        Returns
        -------
        float
            Minus the cross-entropy, in nats per character.

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

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        self.model_ = load_model(tree["model"], cells, classes)
        self.vocabulary_ = check_vocabulary(tree["vocabulary"])
        V = len(self.vocabulary_)
        if self.model_.input_shape != (None, V) or self.model_.output_shape[-1] != V:
            raise ValueError(f"it has {V} characters, but its net takes inputs {self.model_.input_shape}")
