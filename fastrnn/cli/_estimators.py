"""Parameters of the command as the estimators that a `Trainer` trains take them."""

from collections.abc import Mapping
from typing import Any

from fastrnn.cli._errors import UsageError


def estimator_parameters(
    parameters: dict[str, Any], rates: Mapping[str, float], left_out: tuple[str, ...]
) -> dict[str, Any]:
    """Return parameters but those left out, with SGD as an object of its momentum, and None for "none" and 0.

    A learning rate that is not set becomes the optimizer's own, also in `parameters`, so that config.toml has it.
    """
    from fastrnn import SGD

    optimizer, momentum, form = (parameters[name] for name in ("optimizer", "momentum", "momentum_form"))
    if parameters["learning_rate"] is None:
        parameters["learning_rate"] = rates.get(optimizer, rates["adam"])  # an unknown one is refused by the estimator
    left_out = ("momentum", "momentum_form", *left_out)
    values = {name: None if value == "none" else value for name, value in parameters.items() if name not in left_out}
    for name in ("validation_fraction", "patience", "clip_norm"):
        values[name] = values[name] or None
    sgd = SGD(values["learning_rate"], momentum=momentum, form=form)
    if optimizer == "sgd":
        values["optimizer"] = sgd
    elif momentum:
        raise UsageError(f"momentum is {momentum}, but the optimizer is {optimizer}; expected --optimizer sgd with it")
    return values
