"""Options of every task: where a run is written, how it is saved and shown, and sweeps."""

from pathlib import Path

from fastrnn.cli.options.option import CHANGES, REOPENS, RUN, Option

# Parameters of a run, which config.toml stores:
WATCHED = (
    Option(
        "checkpoint_minutes", float, "Minutes between checkpoints within a long epoch; the end of an epoch is saved "
        "too. 0 saves after each batch.", 5.0, minimum=0, panel=RUN, resumed=CHANGES,
    ),
    Option("tensorboard", bool, "Also write event files for TensorBoard.", False, panel=RUN, resumed=REOPENS),
)  # fmt: skip

# Options of one call, which config.toml does not store:
CALLED = (
    Option("out", Path, "Folder of the run.", shown="runs/TASK-YYYYMMDD-HHMMSS", panel=RUN),
    Option(
        "config", Path, "Read parameters from a TOML file, such as a run's config.toml; options given here win.",
        panel=RUN,
    ),
    Option(
        "resume", Path, "Continue the run in this folder. You may change epochs (unless the schedule depends on them), "
        "patience, threads, how the run is saved and shown, and how its data are read.", panel=RUN,
    ),
    Option(
        "overwrite", bool, "Replace the run in the folder; other files are kept.", flags=("--overwrite",),
        panel=RUN,
    ),
    Option(
        "sweep", list, "Values of a parameter to try, such as hidden=16,32 or head=64,64x32,none. Repeat the option to "
        "try all combinations.",
        item=str, repeated=True, metavar="NAME=V1,V2,...", panel=RUN,
    ),
    Option("jobs", int, "Number of runs of a sweep at the same time.", shown="one per CPU", minimum=1, panel=RUN),
)  # fmt: skip
