"""Options of the commands: the only place that knows both the short names and those of the estimators.

An option that is not given is None, and then is what the configuration file says, or else the default of the task. So
help texts show defaults by `show_default` alone.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer

from fastrnn.cli._errors import UsageError

Command = TypeVar("Command", bound=Callable[..., None])
MODEL, TRAINING, RUN, DATA = "Model", "Training", "Run", "Data"
WATCHED: dict[str, Any] = {"checkpoint_minutes": 5.0, "tensorboard": False}  # how a run is saved and shown
MAY_CHANGE = ("epochs", "patience", "n_threads", "memory_limit", "stream", "context", *WATCHED)  # when a run goes on
REOPENING = ("epochs", "patience", "context", "tensorboard")  # those of them for which a finished one does
_LONG: dict[str, str] = {}  # every name of an option: the estimator's name, which an option gives last
_OFF: dict[str, str] = {}  # the option that switches a parameter off


def _option(*names: str, help: str, panel: str, default: str = "", **more: Any) -> Any:
    spelled = [name.partition("/")[0].lstrip("-").replace("-", "_") for name in names]
    _LONG.update(dict.fromkeys(spelled, spelled[-1]))
    _OFF[spelled[-1]] = names[-1].partition("/")[2]
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=default or False, **more)


def shows(**defaults: str) -> Callable[[Command], Command]:
    """Let the help of a command show other defaults than those of the options that it shares with others."""

    def change(command: Command) -> Command:
        for name, text in defaults.items():
            kind, option = get_args(command.__annotations__[name])
            option = copy(option)
            option.show_default = text
            command.__annotations__[name] = Annotated[kind, option]
        return command

    return change


# ---- for every task -------------------------------------------------------------------------------------------------

Out = Annotated[
    Path | None,
    _option("--out", help="Folder of the run.", panel=RUN, default="runs/TASK-YYYYMMDD-HHMMSS", file_okay=True),
]
Config = Annotated[
    Path | None,
    _option("--config", help="Parameters from a TOML file, as a run's config.toml; the command line wins.", panel=RUN),
]
Resume = Annotated[
    Path | None,
    _option(
        "--resume",
        help="Go on with the run in this folder. Needs nothing else; --epochs, --patience, --threads, --memory-limit, "
        "--stream, --context, --checkpoint-minutes and --tensorboard may be given anew.",
        panel=RUN,
    ),
]
Overwrite = Annotated[bool, _option("--overwrite", help="Replace a run that is in the folder already.", panel=RUN)]
Seed = Annotated[
    int | None, _option("--seed", "--random-state", help="Seed of all that is random.", panel=RUN, default="0", min=0)
]
Threads = Annotated[
    int | None,
    _option("--threads", "--n-threads", help="Number of threads.", panel=RUN, default="all, where it pays", min=1),
]
CheckpointMinutes = Annotated[
    float | None,
    _option(
        "--checkpoint-minutes",
        help="A run is saved at the end of epochs, and within one every so many minutes; 0: after each batch.",
        panel=RUN,
        default="5",
        min=0,
    ),
]
TensorBoard = Annotated[
    bool | None,
    _option("--tensorboard/--no-tensorboard", help="Leave event files for TensorBoard, too.", panel=RUN, default="no"),
]
Sweep = Annotated[
    list[str] | None,
    _option(
        "--sweep",
        help="Values of a parameter to be tried, as hidden=16,32 or head=64,64x32,none; several make a grid.",
        panel=RUN,
        metavar="NAME=V1,V2,...",
    ),
]
Jobs = Annotated[
    int | None,
    _option("--jobs", help="Runs of a sweep at a time.", panel=RUN, default="one a CPU", min=1),
]

# ---- the net --------------------------------------------------------------------------------------------------------

Cell = Annotated[
    str | None, _option("--cell", help="rnn (tanh), rnn_relu, rnn_sigmoid, lstm or gru.", panel=MODEL, default="gru")
]
Hidden = Annotated[
    int | None, _option("--hidden", "--hidden-size", help="Hidden units of a layer.", panel=MODEL, default="128")
]
Layers = Annotated[
    int | None, _option("--layers", help="Recurrent layers on top of each other.", panel=MODEL, default="1")
]
Bidirectional = Annotated[
    bool | None,
    _option("--bidirectional/--one-direction", help="Read sequences from both ends.", panel=MODEL, default="one"),
]
Head = Annotated[
    str | None,
    _option(
        "--head", help="Widths of dense layers after the recurrent ones: 64,32 or none.", panel=MODEL, default="64"
    ),
]
Dropout = Annotated[float | None, _option("--dropout", help="Rate between layers.", panel=MODEL, default="0")]
RecurrentDropout = Annotated[
    float | None, _option("--recurrent-dropout", help="Rate within the recurrence.", panel=MODEL, default="0")
]
Initializer = Annotated[
    str | None, _option("--initializer", help="xavier, orthogonal or gaussian.", panel=MODEL, default="xavier")
]
ForgetBias = Annotated[
    float | None, _option("--forget-bias", help="Initial bias of the LSTM's forget gate.", panel=MODEL, default="0")
]
L2 = Annotated[float | None, _option("--l2", help="Weight of the squared weights.", panel=MODEL, default="0.0005")]
Sparsity = Annotated[
    float | None,
    _option("--sparsity", help="Mean activation that a hidden unit should have.", panel=MODEL, default="0.05"),
]
SparsityWeight = Annotated[
    float | None,
    _option("--sparsity-weight", help="Weight of the penalty for other means.", panel=MODEL, default="0.5"),
]
Tied = Annotated[
    bool | None,
    _option("--tied/--untied", help="One matrix of weights for both layers.", panel=MODEL, default="untied"),
]
EmbeddingSize = Annotated[
    int | None, _option("--embedding", help="Numbers in the vector of a word or character.", panel=MODEL, default="32")
]
Order = Annotated[
    int | None,
    _option(
        "--order",
        help="Words in an n-gram, the next one included.",
        panel=MODEL,
        default="4, or as many as DATA has",
        min=2,
    ),
]
CharacterWindow = Annotated[
    int | None,
    _option("--window", help="Characters that gradients go back.", panel=MODEL, default="64", min=1),
]
Stateful = Annotated[
    bool | None,
    _option(
        "--stateful/--windowed",
        help="Carry the state from window to window, or learn the one character after each window by itself.",
        panel=MODEL,
        default="stateful",
    ),
]
CharacterStep = Annotated[
    int | None,
    _option(
        "--step", help="With --windowed, characters from window to window in training.", panel=MODEL, default="3", min=1
    ),
]
Window = Annotated[
    int | None,
    _option(
        "--window", help="Steps before that a forecast sees.", panel=MODEL, default="two seasons, 24 to 200", min=1
    ),
]
Horizon = Annotated[int | None, _option("--horizon", help="Steps to forecast.", panel=MODEL, default="12", min=1)]
Difference = Annotated[
    bool | None,
    _option(
        "--difference/--level",
        help="Forecast changes since the last value, for series with a trend or no fixed level; or values themselves.",
        panel=MODEL,
        default="difference",
    ),
]
ManyToMany = Annotated[
    bool | None,
    _option(
        "--many-to-many",
        "--return-sequences/--many-to-one",
        help="Train on forecasts from each step of a window; or from its last one.",
        panel=MODEL,
        default="many-to-one",
    ),
]
Reverse = Annotated[
    bool | None,
    _option("--reverse/--forward", help="Read questions from their end.", panel=MODEL, default="forward"),
]
Dtype = Annotated[str | None, _option("--dtype", help="float32 or float64.", panel=MODEL, default="float32")]

# ---- training -------------------------------------------------------------------------------------------------------

Epochs = Annotated[int | None, _option("--epochs", help="Most epochs.", panel=TRAINING, default="50")]
BatchSize = Annotated[int | None, _option("--batch-size", help="Examples in a batch.", panel=TRAINING, default="32")]
Streams = Annotated[
    int | None,
    _option(
        "--batch-size",
        help="Parallel streams that the text is cut into; with --windowed, windows in a batch.",
        panel=TRAINING,
        default="32",
    ),
]
OptimizerName = Annotated[str | None, _option("--optimizer", help="adam or sgd.", panel=TRAINING, default="adam")]
Solver = Annotated[
    str | None,
    _option(
        "--solver",
        help="lbfgs (all examples at once, an epoch is an iteration), or sgd or adam (mini-batches).",
        panel=TRAINING,
        default="lbfgs",
    ),
]
LearningRate = Annotated[
    float | None, _option("--learning-rate", help="Step size.", panel=TRAINING, default="0.001; sgd 0.1")
]
Momentum = Annotated[float | None, _option("--momentum", help="Momentum of sgd.", panel=TRAINING, default="0")]
MomentumForm = Annotated[
    str | None,
    _option(
        "--momentum-form",
        help="classical, nesterov, or averaged (v = a v + (1 - a) g).",
        panel=TRAINING,
        default="classical",
    ),
]
WeightDecay = Annotated[
    float | None,
    _option("--weight-decay", help="Weight decay of the optimizer, decoupled in adam.", panel=TRAINING, default="0"),
]
ScheduleName = Annotated[
    str | None,
    _option("--schedule", help="Of the learning rate: step, cosine, plateau or none.", panel=TRAINING, default="none"),
]
Clip = Annotated[
    float | None,
    _option("--clip", "--clip-norm", help="Largest norm of a gradient; 0 does not clip.", panel=TRAINING, default="1"),
]
Validation = Annotated[
    float | None,
    _option(
        "--validation",
        "--validation-fraction",
        help="Share held out to know when to stop.",
        panel=TRAINING,
        default="0.1",
    ),
]
Patience = Annotated[
    int | None,
    _option(
        "--patience",
        help="Epochs without a better validation loss before it stops; 0: never.",
        panel=TRAINING,
        default="7",
    ),
]
ClassWeight = Annotated[
    str | None,
    _option("--class-weight", help="balanced: all classes count alike; or none.", panel=TRAINING, default="none"),
]
MemoryLimit = Annotated[
    str | None,
    _option(
        "--memory-limit",
        help='Most memory of a training step, such as "1 GB", for long sequences; or none.',
        panel=TRAINING,
        default="none",
    ),
]

# ---- data -----------------------------------------------------------------------------------------------------------

Standardize = Annotated[
    bool | None,
    _option("--standardize/--raw", help="Bring channels to mean 0 and deviation 1.", panel=DATA, default="standardize"),
]
Stream = Annotated[
    bool | None,
    _option(
        "--stream/--in-memory",
        help="Read an HDF5 file by blocks as training needs them, or all at once; results are the same.",
        panel=DATA,
        default="all at once, if it fits",
    ),
]
Key = Annotated[str | None, _option("--key", help="Name of the array in DATA.", panel=DATA)]
PatchSize = Annotated[
    int | None, _option("--patch-size", help="Pixels along a side of patches.", panel=DATA, default="16")
]
Patches = Annotated[
    int | None, _option("--patches", "--n-patches", help="Patches cut from photographs.", panel=DATA, default="10000")
]
VocabularySize = Annotated[
    int | None,
    _option(
        "--vocabulary-size",
        help="Words of a text that are known, the most frequent ones; all others are <unk>.",
        panel=DATA,
        default="2000",
        min=2,
    ),
]
FirstIndex = Annotated[
    int | None,
    _option("--first-index", help="Number of the first word in DATA, 0 or 1.", panel=DATA, default="told by DATA"),
]
Context = Annotated[
    list[str] | None,
    _option(
        "--context",
        help='Words such as "in the", of which the likeliest next ones are shown; may be given several times.',
        panel=DATA,
        metavar="WORDS",
    ),
]
Columns = Annotated[
    str | None,
    _option("--columns", help="Channels to take from DATA: names or numbers, with commas.", panel=DATA, default="all"),
]
Targets = Annotated[
    str | None,
    _option("--targets", help="Those of them to forecast, with commas.", panel=DATA, default="all"),
]
TimeColumn = Annotated[
    str | None,
    _option(
        "--time",
        "--time-column",
        help="Column of the time in a CSV file, which is no channel.",
        panel=DATA,
        default="those called time, date, ...",
    ),
]
SeriesColumn = Annotated[
    str | None,
    _option("--series", "--series-column", help="Column that tells series in a CSV file apart.", panel=DATA),
]
Season = Annotated[
    int | None,
    _option(
        "--season",
        help="Steps of a season, for the seasonal naive forecast and scaled errors; 1 for none.",
        panel=DATA,
        default="found in DATA",
        min=1,
    ),
]
TestFraction = Annotated[
    float | None,
    _option("--test", "--test-fraction", help="Share at the end of each series to test.", panel=DATA, default="0.2"),
]
Digits = Annotated[
    int | None, _option("--digits", help="Most digits of a number, 1 to 9.", panel=DATA, default="3", min=1, max=9)
]
Operation = Annotated[
    str | None, _option("--operation", help="What is asked: +, - or both, as +,-.", panel=DATA, default="+,-")
]
Questions = Annotated[
    int | None,
    _option(
        "--questions",
        help="How many distinct ones, 10 % of them held out as a test set; all there are, where these are fewer.",
        panel=DATA,
        default="50000",
        min=2,
    ),
]
XTrain = Annotated[str | None, _option("--x-train", help="Name of the training sequences in DATA.", panel=DATA)]
YTrain = Annotated[str | None, _option("--y-train", help="Name of their labels.", panel=DATA)]
XTest = Annotated[str | None, _option("--x-test", help="Name of the test sequences.", panel=DATA)]
YTest = Annotated[str | None, _option("--y-test", help="Name of their labels.", panel=DATA)]


def read_config(path: Path, task: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a TOML file, else the defaults, and its sweep."""
    return unset(defaults) | read_values(path, task, defaults)


def read_values(path: Path, task: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a TOML file sets, and its sweep; paths in it count from its folder."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error
    if values.pop("task", task) != task:
        raise UsageError(f"{path}: is the configuration of another task, expected {task!r}")
    for key, value in values.items():
        if key == "sweep":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise UsageError(f"{path}: sweep is {value!r}, expected a list such as ['hidden_size=16,32']")
            continue
        _check_name(f"{path}: {key}", key, task, defaults)
        _check_kind(f"{path}: {key}", value, defaults[key])
    if isinstance(values.get("data"), str):
        values["data"] = str((path.parent / values["data"]).resolve())
    return values


def unset(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults, with None for those that are only a type."""
    return {name: None if isinstance(value, type) else value for name, value in defaults.items()}


def _check_name(where: str, name: str, task: str, defaults: Mapping[str, Any]) -> None:
    if name not in defaults:
        raise UsageError(f"{where} is no parameter of {task}; expected one of {', '.join(defaults)}")


def _kind(default: Any) -> type:
    """Return the type of a parameter; a default that is a type is a parameter not set."""
    return default if isinstance(default, type) else type(default)


def _check_kind(name: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than the default."""
    kind = _kind(default)
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or isinstance(value, bool) != (kind is bool):
        raise UsageError(f"{name} is {value!r}, expected {kind.__name__}")
    if isinstance(value, list):
        item, expected = (int, f"whole numbers such as {default!r}") if default else (str, "texts")
        if not all(type(entry) is item for entry in value):
            raise UsageError(f"{name} is {value!r}, expected a list of {expected}")


def merge(task: str, defaults: Mapping[str, Any], given: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    """Return all parameters: of the command line, else of the configuration, else the defaults."""
    values = unset(defaults) if config is None else read_config(config, task, defaults)
    return values | {name: value for name, value in given.items() if value is not None}


def widths(text: str | None, name: str = "--head", separator: str = ",") -> list[int] | None:
    """Return the numbers of ``64,32``; ``none`` is no number."""
    if text is None:
        return None
    if text in ("", "none"):
        return []
    try:
        return [int(part) for part in text.split(separator)]
    except ValueError:
        expected = f"whole numbers such as 64{separator}32, or none"
        raise UsageError(f"{name} is {text!r}, expected {expected}") from None


def names(text: str | None) -> list[str] | None:
    """Return the parts of ``price,volume``."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def read_sweep(texts: Sequence[str], task: str, defaults: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the values of each parameter that is swept, in the order given."""
    grid: dict[str, list[Any]] = {}
    for text in texts:
        given, equals, values = text.partition("=")
        if not equals:
            raise UsageError(f"--sweep is {text!r}, expected NAME=V1,V2,... such as hidden=16,32")
        name = given.strip().lstrip("-").replace("-", "_")
        name = name if name in defaults else _LONG.get(name, name)
        _check_name(f"--sweep {text}: {given}", name, task, defaults)
        if defaults[name] == []:
            raise UsageError(f"--sweep {text}: {name} cannot be swept")
        if name in grid:
            raise UsageError(f"--sweep {text}: {name} is swept already; give all its values in one --sweep")
        grid[name] = []
        for value in values.split(","):
            parsed = _read_value(f"--sweep {text}: {name}", name, value.strip(), defaults[name])
            if parsed in grid[name]:
                raise UsageError(f"--sweep {text}: {value} comes twice")
            grid[name].append(parsed)
    return grid


def _read_value(where: str, name: str, text: str, default: Any) -> Any:
    """Return a value of a sweep, of the type of the default."""
    kind = _kind(default)
    if not text:
        raise UsageError(f"{where} has an empty value, expected {kind.__name__}")
    if text == "none" and isinstance(default, type):
        return None
    if kind is list:
        return widths(text, where, "x")
    if name == "data":
        return str(Path(text).resolve())
    try:
        return {"true": True, "false": False}[text] if kind is bool else kind(text)
    except (KeyError, ValueError):
        expected = "true or false" if kind is bool else kind.__name__
        raise UsageError(f"{where} is {text!r}, expected {expected}") from None


def write_value(value: Any) -> str:
    """Return a value as `--sweep` reads it."""
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def write_options(values: Mapping[str, Any]) -> list[str]:
    """Return parameters as arguments of the command."""
    arguments = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            arguments.append(option if value else _OFF[name])
        else:
            arguments += [option, write_value(value)]
    return arguments
