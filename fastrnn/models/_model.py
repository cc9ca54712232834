"""What all models share: a check that they are built, and files."""

from abc import ABC, abstractmethod
from os import PathLike
from typing import Any

import numpy as np

from fastrnn._typing import Array


class Model(ABC):
    """A model whose parameters are one flat vector; `build` makes it."""

    dtype: np.dtype[Any]
    flat_parameters: Array
    flat_gradients: Array
    _to_build = "model.build(input_shape)"

    @property
    def _is_built(self) -> bool:
        return hasattr(self, "flat_parameters")

    def _check_built(self) -> None:
        if not self._is_built:
            raise RuntimeError(f"the model has no parameters yet: call {self._to_build} first")

    @abstractmethod
    def to_tree(self) -> dict[str, Any]:
        """
        Return the model as a tree of arrays, strings and numbers.

        Returns
        -------
        dict
            What `save` writes.

        Raises
        ------
        RuntimeError
            If the model is not built.
        """

    def save(self, path: str | PathLike[str]) -> None:
        """
        Write the model to an HDF5 file, which `fastrnn.load` reads.

        Parameters
        ----------
        path : path-like
            The file; it is replaced as a whole.

        Raises
        ------
        StorageError
            If it cannot be written.
        RuntimeError
            If the model is not built.
        """
        from fastrnn import storage

        storage.write(path, self.to_tree())
