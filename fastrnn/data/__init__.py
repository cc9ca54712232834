"""Files to arrays."""

from fastrnn.data._files import DataError
from fastrnn.data.images import ImageScaler, as_images, load_images
from fastrnn.data.patches import random_patches, sample_patches
from fastrnn.data.sequences import Dataset, digits, load_inputs, load_sequences

__all__ = [
    "DataError",
    "Dataset",
    "ImageScaler",
    "as_images",
    "digits",
    "load_images",
    "load_inputs",
    "load_sequences",
    "random_patches",
    "sample_patches",
]
