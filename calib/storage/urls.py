"""Parse the places that users give: paths, and URLs of the supported schemes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from calib.errors import UsageError
from calib.storage.bucket import Bucket
from calib.storage.objects import ObjectPath
from calib.storage.source import Place

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DRIVE: Final = re.compile(r"/[A-Za-z]:")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FORM: Final = "Forms: a path, file:///DIRECTORY, s3://BUCKET/PREFIX"


def is_url(text: str) -> bool:
    """Whether a text has the form of a URL.

    >>> is_url("s3://desk/feeds"), is_url("feeds/s3")
    (True, False)
    """
    return _SCHEME.match(text) is not None


def place_of(text: Path | str, where: str = "") -> Place:
    """Return the place of a path or a URL.

    Parameters
    ----------
    where
        Name of the option or setting with the text, for error messages.

    Raises
    ------
    calib.errors.UsageError
        If the URL has another scheme, has no bucket or directory, or contains a user name or password. The message does
        not contain these.

    >>> place_of("file:///srv/feeds")
    PosixPath('/srv/feeds')
    >>> str(place_of("s3://desk/feeds/"))
    's3://desk/feeds'
    """
    if not isinstance(text, str) or (match := _SCHEME.match(text)) is None:
        return Path(text)
    scheme = match[1].lower()
    if scheme not in ("s3", "file"):
        raise UsageError(f"{scheme}:// is not supported", where=where, hint=_FORM)
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise UsageError(
            f"a {scheme}:// URL with a user name or password is refused (it is not repeated here)",
            where=where,
            hint="Credentials come from the environment, such as AWS_ACCESS_KEY_ID",
        )
    if parts.query or parts.fragment:
        raise UsageError(f"a {scheme}:// URL takes no ? and no #", where=where, hint=_FORM)
    if scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise UsageError(f"{text} names no directory of this machine", where=where, hint=_FORM)
        path = unquote(parts.path)
        return Path(path[1:] if _DRIVE.match(path) else path)
    if not _BUCKET.fullmatch(parts.netloc):
        raise UsageError(f"{text} names no bucket", where=where, hint=_FORM)
    key = "/".join(part for part in parts.path.split("/") if part)
    return ObjectPath(Bucket(f"s3://{parts.netloc}"), key)
