"""Files to arrays."""

from fastrnn.data._files import DataError, read_by_blocks
from fastrnn.data.arithmetic import Arithmetic, arithmetic_questions, count_carries, count_questions
from fastrnn.data.characters import manual, read_text, streams_of, windows_of
from fastrnn.data.images import ImageScaler, as_images, load_images
from fastrnn.data.ngrams import NGrams, load_ngrams
from fastrnn.data.patches import random_patches, sample_patches
from fastrnn.data.sequences import Dataset, digits, load_inputs, load_sequences
from fastrnn.data.series import SeriesSet, load_series, sample_series
from fastrnn.data.words import load_text, ngrams_of, sentences_of, split_sentences, topics, vocabulary_of

__all__ = [
    "Arithmetic",
    "DataError",
    "Dataset",
    "ImageScaler",
    "NGrams",
    "SeriesSet",
    "arithmetic_questions",
    "as_images",
    "count_carries",
    "count_questions",
    "digits",
    "load_images",
    "load_inputs",
    "load_ngrams",
    "load_sequences",
    "load_series",
    "load_text",
    "manual",
    "ngrams_of",
    "random_patches",
    "read_by_blocks",
    "read_text",
    "sample_patches",
    "sample_series",
    "sentences_of",
    "split_sentences",
    "streams_of",
    "topics",
    "vocabulary_of",
    "windows_of",
]
