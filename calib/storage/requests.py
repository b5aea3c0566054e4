"""Retry requests to an object store with exponential backoff, and describe their errors without secrets."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")
_TRIES: Final = 3
_PAUSE_S: Final = 0.2
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CREDENTIALS: Final = (
    "Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the machine's role;"
    " AWS_REGION and AWS_ENDPOINT_URL say where"
)
_CONNECTION: Final = "Check AWS_ENDPOINT_URL, AWS_REGION and the network"


class Attempts:
    """Retries a request whose response body was interrupted; the client itself retries other errors before that.

    Parameters
    ----------
    pause
        Waits for the given number of seconds.
    """

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause

    def of(self, request: Callable[[], T]) -> T:
        """Return the result of the request, or raise the error of its last attempt."""
        for attempt in range(_TRIES):
            try:
                return request()
            except Exception as error:
                if attempt == _TRIES - 1 or not _is_passing(error):
                    raise
                self._pause(_PAUSE_S * 2**attempt * (0.5 + random.random()))
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def retry_config() -> Any:
        """Return the retry settings of obstore, for server errors and refused or dropped connections."""
        backoff = {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=5),
            "base": 2,
        }
        return {"max_retries": 5, "backoff": backoff, "retry_timeout": timedelta(seconds=60)}


def is_missing(error: Exception) -> bool:
    """Whether the error means that there is no such object."""
    return isinstance(error, FileNotFoundError)


def is_conflict(error: Exception) -> bool:
    """Whether the error means that the object has another content than expected."""
    return type(error).__name__ in ("PreconditionError", "AlreadyExistsError")


def reason_of(error: Exception) -> tuple[str, str]:
    """Return the reason of an error and a hint. The store's own text is not used: it may have a key id or signature."""
    text = str(error)
    status = match[1] if (match := _STATUS.search(text)) else ""
    if "NoSuchBucket" in text:
        return "the bucket does not exist", "Check its name, AWS_REGION and AWS_ENDPOINT_URL"
    if status in ("401", "403") or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        return "the store refuses access", _CREDENTIALS
    if status:
        return f"the store answers with status {status}", _CONNECTION
    return "the store does not answer", f"{_CONNECTION}. {_CREDENTIALS}"


def _is_passing(error: Exception) -> bool:
    """Whether a retry may succeed: the store has not refused, and the client has not already used up its retries."""
    return type(error).__name__ == "GenericError" and not _STATUS.search(str(error)) and "retries" not in str(error)
