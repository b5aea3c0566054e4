"""Objects of a bucket: listing, ranged reads, and writes that fail if another run has written in the meantime."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import total_ordering
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypeVar

from calib.errors import CalibError, MissingExtra, NoFeeds, OutputChanged, UnreadableInput, UnwritableOutput
from calib.storage.object_reader import ObjectReader
from calib.storage.objects import ObjectPath
from calib.storage.requests import Attempts, is_conflict, is_missing, reason_of

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")
_BLOCK: Final = 1 << 20


class ObjectFacts(NamedTuple):
    """Size of an object, bytes, and the tag (ETag) of its content."""

    size: int
    tag: str


@total_ordering
class Bucket:
    """A bucket of an S3 store. The credentials come from the environment and are never printed.

    Parameters
    ----------
    url
        ``s3://NAME``; buckets with the same URL are equal.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._store: S3Store | None = None
        self._listed: dict[str, ObjectFacts] = {}
        """Objects found by listings, by key."""
        self._claimed: set[str] = set()
        """Keys of the directories that `claim` has listed."""
        self._tags: dict[str, str] = {}
        """Tags of the objects in these directories and of the objects written since, by key."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bucket) and self.url == other.url

    def __lt__(self, other: Bucket) -> bool:
        return self.url < other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        return f"Bucket({self.url!r})"

    @property
    def store(self) -> S3Store:
        """The connection, opened on first use.

        Raises
        ------
        calib.errors.MissingExtra
            If obstore is not installed.
        calib.errors.UnreadableInput
            If a setting in the environment is not valid; the message does not contain its value.
        """
        if self._store is None:
            self._store = _connected(self.url)
        return self._store

    def names(self, directory: ObjectPath) -> list[str]:
        """Return the names directly below a prefix, sorted.

        Raises
        ------
        calib.errors.NoFeeds
            If there are none: a prefix without objects does not exist.
        calib.errors.UnreadableInput
            If the store refuses access or does not answer.
        """
        found = self._list(directory)
        if not found:
            raise NoFeeds("holds no objects", where=str(directory), hint="Check the URL of --feeds")
        return found

    def size(self, path: ObjectPath) -> int:
        """Return the size of an object, bytes, from a listing if there was one; errors as `open`."""
        return (self._listed.get(path.key) or self.facts(path)).size

    def facts(self, path: ObjectPath) -> ObjectFacts:
        """Request the current size and tag of an object; errors as `open`."""
        import obstore

        found = self._read(path, lambda: obstore.head(self.store, path.key))
        return ObjectFacts(found["size"], found["e_tag"] or "")

    def open(self, path: ObjectPath) -> ObjectReader:
        """Open an object to read its current content.

        Raises
        ------
        calib.errors.UnreadableInput
            If it does not exist, or the store refuses access or does not answer. The reader also raises it if the
            object is replaced while it is read.
        """
        facts = self.facts(path)
        return ObjectReader(facts.size, lambda begin, end: self._range(path, facts.tag, begin, end))

    def read_range(self, path: ObjectPath, identity: str | None, offset: int, size: int) -> bytes:
        """Return a range of bytes of an object. The tag must be ``identity``, unless that is None. Errors as `open`."""
        return self._range(path, identity or "", offset, offset + size)

    def claim(self, directories: Iterable[ObjectPath]) -> None:
        """Record the objects directly below these prefixes; a later `put` fails if another run has written there."""
        for directory in directories:
            self._claimed.add(directory.key)
            for name in self._list(directory):
                key = (directory / name).key
                self._tags[key] = self._listed[key].tag

    def put(self, path: ObjectPath, content: BinaryIO) -> bool:
        """Write an object atomically; an object with the same bytes is not written again.

        Returns
        -------
        bool
            True if the object changed.

        Raises
        ------
        calib.errors.OutputChanged
            If another run has written it since `claim`, or without a claim since the beginning of this call.
        calib.errors.UnwritableOutput
            If the store refuses access or does not answer.
        """
        import obstore

        tag = self._tag_before(path)
        if tag is not None and (same := self._tag_of_same(path, content)) is not None:
            self._tags[path.key] = same
            return False
        content.seek(0)
        try:
            done = obstore.put(
                self.store,
                path.key,
                content,
                mode="create" if tag is None else {"e_tag": tag},
                use_multipart=False,
            )
        except CalibError:
            raise
        except Exception as error:
            if is_conflict(error) and (same := self._tag_of_same(path, content)) is not None:
                self._tags[path.key] = same
                return True  # our own request, retried by the client after its response was lost
            if is_conflict(error):
                raise _changed(path) from None
            raise self._unwritable(path, error) from None
        self._tags[path.key] = done["e_tag"] or ""
        return True

    def delete(self, path: ObjectPath) -> None:
        """Remove an object if it exists.

        Raises
        ------
        calib.errors.OutputChanged
            Where another run wrote it since `claim`.
        calib.errors.UnwritableOutput
            Where the store refuses or does not answer.
        """
        import obstore

        if self._tag_before(path) is None:
            return
        # obstore deletes without a condition: what another run writes between this request and the next is removed.
        now = self._tag_now(path)
        if now is not None and now != self._tags.get(path.key, now):
            raise _changed(path)
        try:
            obstore.delete(self.store, path.key)
        except Exception as error:
            raise self._unwritable(path, error) from None
        self._tags.pop(path.key, None)

    def exists(self, path: ObjectPath) -> bool:
        """Whether the object exists, according to `claim` if it listed the directory."""
        return self._tag_before(path) is not None

    def modified(self, directory: ObjectPath) -> list[tuple[float, str]]:
        """Return the time of the last write (Unix seconds) and the name of each object directly below a prefix."""
        import obstore

        found = self._read(directory, lambda: obstore.list_with_delimiter(self.store, directory.key)["objects"])
        return [(each["last_modified"].timestamp(), each["path"].rpartition("/")[2]) for each in found]

    def _list(self, directory: ObjectPath) -> list[str]:
        import obstore

        found = self._read(directory, lambda: obstore.list_with_delimiter(self.store, directory.key or None))
        for each in found["objects"]:
            self._listed[each["path"]] = ObjectFacts(each["size"], each["e_tag"] or "")
        prefix = f"{directory.key}/" if directory.key else ""
        return sorted(each["path"].removeprefix(prefix) for each in found["objects"])

    def _range(self, path: ObjectPath, tag: str, begin: int, end: int) -> bytes:
        import obstore

        options: Any = {"range": (begin, end)} | ({"if_match": tag} if tag else {})
        return self._read(path, lambda: bytes(obstore.get(self.store, path.key, options=options).bytes()))

    def _read(self, path: ObjectPath, request: Callable[[], T]) -> T:
        try:
            return Attempts().of(request)
        except CalibError:
            raise
        except Exception as error:
            if is_conflict(error):
                raise UnreadableInput(
                    "was replaced while it was read", where=str(path), hint="Run again when nobody rewrites it"
                ) from None
            if is_missing(error):
                raise UnreadableInput("does not exist", where=str(path), hint="Check the URL") from None
            what, hint = reason_of(error)
            raise UnreadableInput(f"cannot be read: {what}", where=str(path), hint=hint) from None

    def _tag_before(self, path: ObjectPath) -> str | None:
        """Return the tag of the content that a `put` may replace; None if there is no object."""
        if path.key in self._tags or path.parent.key in self._claimed:
            return self._tags.get(path.key)
        return self._tag_now(path)

    def _tag_now(self, path: ObjectPath) -> str | None:
        """Return the tag of the content in the store; None if there is no object."""
        import obstore

        try:
            found = Attempts().of(lambda: obstore.head(self.store, path.key))
        except CalibError:
            raise
        except Exception as error:
            if is_missing(error):
                return None
            raise self._unwritable(path, error) from None
        tag: str = found["e_tag"] or ""
        return tag

    def _tag_of_same(self, path: ObjectPath, content: BinaryIO) -> str | None:
        """Return the tag of the object if it has exactly these bytes; else None."""
        size = content.seek(0, 2)
        try:
            facts = self.facts(path)
            if facts.size != size:
                return None
            content.seek(0)
            with ObjectReader(size, lambda begin, end: self._range(path, facts.tag, begin, end)) as there:
                while block := there.read(_BLOCK):
                    if content.read(len(block)) != block:
                        return None
        except UnreadableInput:
            return None
        return facts.tag

    def _unwritable(self, path: ObjectPath, error: Exception) -> UnwritableOutput:
        what, hint = reason_of(error)
        return UnwritableOutput(f"cannot be written: {what}", where=str(path), hint=hint)


def _changed(path: ObjectPath) -> OutputChanged:
    return OutputChanged(
        "was written by another run meanwhile",
        where=str(path),
        hint="Let that run end, then run again; or give this one another --out",
    )


def _connected(url: str) -> S3Store:
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise MissingExtra(
            f"{url} needs obstore", hint="Install calib with its extra: pip install 'calib[cloud]'"
        ) from error
    try:
        return S3Store(
            url.removeprefix("s3://"),
            retry_config=Attempts.retry_config(),
            client_options={"timeout": "60s", "allow_http": _plain_http(os.environ)},
        )
    except Exception as error:
        raise UnreadableInput(
            f"cannot be used: the environment's settings make no connection ({type(error).__name__})",
            where=url,
            hint="Check the AWS_* variables; their values are not shown",
        ) from None


def _plain_http(environment: Mapping[str, str]) -> bool:
    """Whether the user's endpoint is unencrypted HTTP, such as that of a store in the local network."""
    given = (environment.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
    return any(endpoint.lower().startswith("http://") for endpoint in given)
