"""The tasks of ``fastrnn-train``: a folder each."""
