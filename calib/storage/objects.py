"""The place of an object: what a path is for a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calib.storage.bucket import Bucket


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """An object's place, or that of the objects below a prefix: what `pathlib.Path` is for files.

    Parameters
    ----------
    bucket
        Where it lies.
    key
        Its name there, without a slash at either end; empty for the bucket itself.
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
        """The name's end from its last dot on; empty where there is none."""
        _, dot, end = self.name.rpartition(".")
        return f"{dot}{end}" if dot else ""

    @property
    def parent(self) -> ObjectPath:
        """What it lies below."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"{self.bucket.url}/{self.key}" if self.key else self.bucket.url
