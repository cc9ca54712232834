"""Options of the commands: the only place that knows both the short names and those of the estimators.

An option that is not given is None, and then is what the configuration file says, or else the default of the task. So
help texts show defaults by `show_default` alone.
"""

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer

Command = TypeVar("Command", bound=Callable[..., None])
PANELS = (None, MODEL := "Model", TRAINING := "Training", DATA := "Data", RUN := "Run")  # None: arguments
LONG: dict[str, str] = {}  # every name of an option: the estimator's name, which an option gives last
OFF: dict[str, str] = {}  # the option that switches a parameter off


def _option(*names: str, help: str, panel: str, default: str = "", **more: Any) -> Any:
    spelled = [name.partition("/")[0].lstrip("-").replace("-", "_") for name in names]
    LONG.update(dict.fromkeys(spelled, spelled[-1]))
    OFF[spelled[-1]] = names[-1].partition("/")[2]
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=default or False, **more)


def takes(*groups: Mapping[str, Any], **defaults: str) -> Callable[[Command], Command]:
    """Give a command the options of groups, where it says ``**shared``, and sort all by panel; of two of the same name
    its own counts. The help shows `defaults` in place of those of options that serve several commands.
    """

    def change(command: Command) -> Command:
        own = inspect.signature(command).parameters.values()
        kinds = {name: kind for group in groups for name, kind in group.items()}
        kinds |= {parameter.name: parameter.annotation for parameter in own if parameter.kind != parameter.VAR_KEYWORD}
        for name, text in defaults.items():
            values, option = get_args(kinds[name])
            option = copy(option)
            option.show_default = text
            kinds[name] = Annotated[values, option]
        order = sorted(kinds, key=lambda name: PANELS.index(get_args(kinds[name])[1].rich_help_panel))
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=False if get_args(kinds[name])[0] is bool else None,
                    annotation=kinds[name],
                )
                for name in order
            ]
        )
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
        help="Go on with the run in this folder. Needs nothing else; epochs (unless the schedule depends on them), "
        "patience, threads, and how the run is saved, shown or its data read may be given anew.",
        panel=RUN,
    ),
]
Overwrite = Annotated[
    bool, _option("--overwrite", help="Replace a run that is in the folder already; other files stay.", panel=RUN)
]
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
        min=3,
    ),
]
XTrain = Annotated[str | None, _option("--x-train", help="Name of the training sequences in DATA.", panel=DATA)]
YTrain = Annotated[str | None, _option("--y-train", help="Name of their labels.", panel=DATA)]
XTest = Annotated[str | None, _option("--x-test", help="Name of the test sequences.", panel=DATA)]
YTest = Annotated[str | None, _option("--y-test", help="Name of their labels.", panel=DATA)]

# ---- what several tasks have -----------------------------------------------------------------------------------------

OF_RECURRENT = {
    "cell": Cell,
    "hidden_size": Hidden,
    "layers": Layers,
    "dropout": Dropout,
    "recurrent_dropout": RecurrentDropout,
    "initializer": Initializer,
    "forget_bias": ForgetBias,
    "dtype": Dtype,
}
OF_TRAINING = {
    "epochs": Epochs,
    "batch_size": BatchSize,
    "optimizer": OptimizerName,
    "learning_rate": LearningRate,
    "momentum": Momentum,
    "momentum_form": MomentumForm,
    "schedule": ScheduleName,
    "clip_norm": Clip,
    "validation_fraction": Validation,
    "patience": Patience,
}
OF_RUN = {
    "out": Out,
    "random_state": Seed,
    "n_threads": Threads,
    "config": Config,
    "resume": Resume,
    "overwrite": Overwrite,
    "checkpoint_minutes": CheckpointMinutes,
    "tensorboard": TensorBoard,
    "sweep": Sweep,
    "jobs": Jobs,
}
