"""The path of an object in a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calib.storage.bucket import Bucket


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """Path of an object, or prefix of several objects; like `pathlib.Path` for files.

    Parameters
    ----------
    bucket
        The bucket.
    key
        Key of the object or prefix, without a slash at either end; empty for the bucket itself.
    """

    bucket: Bucket
    key: str

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot on; empty if it has no dot."""
        _, dot, end = self.name.rpartition(".")
        return f"{dot}{end}" if dot else ""

    @property
    def parent(self) -> ObjectPath:
        """The prefix that contains it."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"{self.bucket.url}/{self.key}" if self.key else self.bucket.url
