"""Parameters of the command as the estimators that a `Trainer` trains take them."""

from collections.abc import Mapping
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.parameters import WATCHED


def knowing(fitting: Any, **arrays: Any) -> Any:
    """Return what is to be trained with the fingerprints of data, such as a test set, that must not change either."""
    from fastrnn.data.fingerprint import fingerprint

    others = {name.replace("_", " "): fingerprint(array) for name, array in arrays.items()}
    return fitting._replace(known={**fitting.known, **others})


def estimator_parameters(
    parameters: dict[str, Any], optimizers: Mapping[str, Mapping[str, Any]], left_out: tuple[str, ...]
) -> dict[str, Any]:
    """Return parameters but those left out, optimizers as objects where names do not do, None for "none" and 0.

    Of `optimizers`, by name, come the learning rate, the momentum and the weight decay where these are not set; they go
    into `parameters` too, so that config.toml has them.
    """
    from fastrnn import SGD, Adam

    own = optimizers.get(parameters["optimizer"], optimizers["adam"])  # an unknown one is refused by the estimator
    parameters.update({name: value for name, value in own.items() if parameters[name] is None})
    optimizer, momentum, form = (parameters[name] for name in ("optimizer", "momentum", "momentum_form"))
    decay = parameters.get("weight_decay") or 0.0  # few tasks have it
    left_out = ("momentum", "momentum_form", "weight_decay", *WATCHED, *left_out)
    values = {name: None if value == "none" else value for name, value in parameters.items() if name not in left_out}
    for name in ("validation_fraction", "patience", "clip_norm"):
        values[name] = values[name] or None
    sgd = SGD(values["learning_rate"], momentum=momentum or 0.0, form=form or "classical", weight_decay=decay)
    if optimizer == "sgd":
        values["optimizer"] = sgd
    elif momentum:
        raise UsageError(f"momentum is {momentum}, but the optimizer is {optimizer}; expected --optimizer sgd with it")
    elif optimizer == "adam" and decay:
        values["optimizer"] = Adam(values["learning_rate"], weight_decay=decay)
    return values
