"""Options that every task has: where a run goes, how it is saved and shown, and sweeps."""

from pathlib import Path

from fastrnn.cli.options.option import CHANGES, REOPENS, RUN, Option

# Parameters of a run, which config.toml has:
WATCHED = (
    Option(
        "checkpoint_minutes", float, "Save every so many minutes within an epoch, besides at the end of epochs; 0: "
        "after each batch.", 5.0, minimum=0, panel=RUN, resumed=CHANGES,
    ),
    Option("tensorboard", bool, "Write event files for TensorBoard too.", False, panel=RUN, resumed=REOPENS),
)  # fmt: skip

# What a call of the command says, and config.toml does not:
CALLED = (
    Option("out", Path, "Folder of the run.", shown="runs/TASK-YYYYMMDD-HHMMSS", panel=RUN),
    Option(
        "config", Path, "Read parameters from a TOML file, such as a run's config.toml; the command line wins.",
        panel=RUN,
    ),
    Option(
        "resume", Path, "Continue the run in this folder; you may change epochs (unless the schedule depends on them), "
        "patience, threads, and how the run is saved and shown and its data are read.", panel=RUN,
    ),
    Option(
        "overwrite", bool, "Replace the run that the folder holds; other files stay.", flags=("--overwrite",),
        panel=RUN,
    ),
    Option(
        "sweep", list, "Values of a parameter to try, such as hidden=16,32 or head=64,64x32,none; several make a grid.",
        item=str, repeated=True, metavar="NAME=V1,V2,...", panel=RUN,
    ),
    Option("jobs", int, "Number of runs of a sweep at a time.", shown="one per CPU", minimum=1, panel=RUN),
)  # fmt: skip
