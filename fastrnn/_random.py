"""The four random streams of a training run, so that using one moves no other."""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Generators(NamedTuple):
    """Generators of independent streams, all from one seed."""

    weights: np.random.Generator
    split: np.random.Generator
    order: np.random.Generator
    dropout: np.random.Generator


def generators(seed: int | None) -> Generators:
    """Return the streams of a seed at their beginning; None takes fresh entropy."""
    return Generators(*map(np.random.default_rng, np.random.SeedSequence(seed).spawn(4)))


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator that goes on from the state of another."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    return rng


def fresh_seed() -> int:
    """Return a seed that nobody has had."""
    return secrets.randbits(64)
