"""Event files for TensorBoard, where that package is installed, and what is said where it is not."""

from importlib.util import find_spec

import pytest
from commands import read_csv, waves

OPTIONS = ["classify", "waves.h5", "--hidden", "5", "--patience", "0", "--tensorboard", "--out", "run"]
INSTALLED = find_spec("tensorboard") is not None
TAGS = {
    "loss/train": "train_loss",
    "loss/validation": "validation_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/validation": "validation_accuracy",
    "learning_rate": "learning_rate",
}


@pytest.mark.skipif(INSTALLED, reason="tensorboard is installed")
def test_without_the_package_nothing_is_begun(forks, tmp_path):
    waves(tmp_path / "waves.h5")
    line = forks.refused("train", *OPTIONS, cwd=tmp_path)
    assert line == "error: --tensorboard needs TensorBoard: pip install tensorboard"
    line = forks.refused("train", *OPTIONS, "--sweep", "hidden=3,4", cwd=tmp_path)
    assert "--tensorboard needs TensorBoard" in line
    assert [path.name for path in tmp_path.iterdir()] == ["waves.h5"]


@pytest.mark.skipif(not INSTALLED, reason="needs tensorboard")
@pytest.mark.filterwarnings("ignore")  # of that package
def test_events_are_the_history(forks, tmp_path):
    """Also of a run that has gone on twice: every epoch once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    waves(tmp_path / "waves.h5")
    forks.run("train", *OPTIONS, "--epochs", "3", cwd=tmp_path)
    forks.run("train", "classify", "--resume", "run", "--epochs", "5", cwd=tmp_path)
    forks.run("train", "classify", "--resume", "run", "--epochs", "6", "--no-tensorboard", cwd=tmp_path)
    forks.run("train", "classify", "--resume", "run", "--tensorboard", cwd=tmp_path)
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == set(TAGS)
    rows = read_csv(tmp_path / "run" / "history.csv")
    for tag, column in TAGS.items():
        scalars = events.Tensors(tag)
        assert [scalar.step for scalar in scalars] == [1, 2, 3, 4, 5, 6]
        got = [scalar.tensor_proto.float_val[0] for scalar in scalars]
        assert got == pytest.approx([float(row[column]) for row in rows], rel=1e-6)
        times = [scalar.wall_time for scalar in scalars]
        assert times == sorted(times)
    forks.run("train", *OPTIONS, "--epochs", "1", "--no-tensorboard", "--overwrite", cwd=tmp_path)
    assert list((tmp_path / "run" / "tensorboard").iterdir()) == []
