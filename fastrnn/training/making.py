"""Which objective trains a model."""

from fastrnn.losses import Loss, LossFunction, get_loss
from fastrnn.models.encoder_decoder import EncoderDecoder
from fastrnn.models.sequential import Sequential
from fastrnn.training.objectives import Objective
from fastrnn.training.supervised import Supervised
from fastrnn.training.teacher_forcing import TeacherForcing


def make_objective(
    model: Sequential | EncoderDecoder | Objective,
    loss: str | Loss | LossFunction | None,
    n_threads: int | None,
    checkpoint_every: int | None,
) -> Objective:
    """Return the objective that trains a model with a loss, or the custom objective itself."""
    if isinstance(model, Objective) and loss is None:
        return model
    if isinstance(model, Sequential) and loss is not None:
        model._check_built()
        return Supervised(model, get_loss(loss), n_threads, checkpoint_every)
    if isinstance(model, EncoderDecoder) and loss is not None and get_loss(loss).takes_padding:
        model._check_built()
        return TeacherForcing(model, get_loss(loss), n_threads, checkpoint_every)
    raise TypeError(
        f"loss is {loss!r} for a {type(model).__name__}, expected one for a Sequential, 'cross_entropy' for an "
        "EncoderDecoder (or a custom loss that takes padding), and None for an Objective"
    )
