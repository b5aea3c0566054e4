"""Read feeds and write outputs, on the local file system or in an object store given by a URL.

A `Place` is a path or an `ObjectPath`. `calib.storage.source.source_of` returns the source that lists and reads it;
`calib.storage.outputs` writes it atomically.
"""

from calib.storage.objects import ObjectPath
from calib.storage.outputs import is_file, local_copy, remove, sole_use, write_whole
from calib.storage.source import ByteSource, Place, StoredBytes, size_of, source_of
from calib.storage.urls import is_url, place_of

__all__ = [
    "ByteSource",
    "ObjectPath",
    "Place",
    "StoredBytes",
    "is_file",
    "is_url",
    "local_copy",
    "place_of",
    "remove",
    "size_of",
    "sole_use",
    "source_of",
    "write_whole",
]
