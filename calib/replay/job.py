"""One replay of a sweep: its input and result as plain data for a pipe."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from calib import errors
from calib.errors import CalibError
from calib.exchange_sim.faults import Fault
from calib.market import MDCacheConfig
from calib.pipes import receive, send
from calib.replay.latencies import LatencyChoice
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings

_STRUCTURED: Final = ("md_cache", "latency", "faults")
"""Settings that are not plain values."""


@dataclass(frozen=True, slots=True)
class Job:
    """One replay: its settings, and the arguments of `run_replay`."""

    feeds: Path
    settings: ReplaySettings
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self, progress: Callable[[float], None] = lambda _: None) -> dict[str, Any]:
        """Run the replay and return its outcome as plain values; ``progress`` is called as by `run_replay`."""
        return dict(run_replay(self.feeds, self.settings, **self.options, progress=progress).data)


class JobData(msgspec.Struct, frozen=True):
    """A job as a message; ``feeds`` holds the bytes of the path, ``plain`` the settings that are plain values."""

    feeds: bytes
    md_cache: dict[str, Any]
    latency: LatencyChoice
    faults: tuple[Fault, ...]
    plain: dict[str, Any]
    options: dict[str, Any]

    @classmethod
    def of(cls, job: Job) -> JobData:
        settings = job.settings
        plain = {item.name: getattr(settings, item.name) for item in fields(settings) if item.name not in _STRUCTURED}
        given = settings.md_cache.given()
        return cls(os.fsencode(job.feeds), given, settings.latency, settings.faults, plain, dict(job.options))

    @property
    def job(self) -> Job:
        settings = ReplaySettings(
            md_cache=MDCacheConfig(**self.md_cache), latency=self.latency, faults=self.faults, **self.plain
        )
        return Job(Path(os.fsdecode(self.feeds)), settings, self.options)


class Part(msgspec.Struct, frozen=True, tag="part"):
    """Progress: the fraction done since the last message."""

    done: float


class JobDone(msgspec.Struct, frozen=True, tag="done"):
    """The outcome of a job."""

    outcome: dict[str, Any]


class Raised(msgspec.Struct, frozen=True, tag="raised"):
    """A `CalibError`: its class and texts."""

    kind: str
    what: str
    where: str
    hint: str

    @property
    def error(self) -> CalibError:
        kind = getattr(errors, self.kind, CalibError)
        if not (isinstance(kind, type) and issubclass(kind, CalibError)):
            kind = CalibError
        return kind(self.what, where=self.where, hint=self.hint)


class JobFailed(msgspec.Struct, frozen=True, tag="failed"):
    """An unexpected exception, with its traceback."""

    trace: str


Message = Part | JobDone | Raised | JobFailed
_MESSAGE: Final = cast("type[Message]", Message)


def ask(
    process: subprocess.Popen[bytes], job: Job, progress: Callable[[float], None]
) -> dict[str, Any] | CalibError | None:
    """Send a job to a child process and return its outcome or error; None if it ended without either.

    Raises
    ------
    ChildProcessError
        If the child had an unexpected exception; the text has its traceback.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        send(process.stdin, JobData.of(job))
        process.stdin.close()
        while True:
            match receive(process.stdout, _MESSAGE):
                case Part(done=done):
                    progress(done)
                case JobDone(outcome=outcome):
                    return outcome
                case Raised() as raised:
                    return raised.error
                case JobFailed(trace=trace):
                    raise ChildProcessError(f"a replay's process failed\n{trace}")
                case _:
                    return None
    except (BrokenPipeError, ConnectionResetError):
        return None
    finally:
        with contextlib.suppress(BrokenPipeError):  # buffered data can no longer be written
            process.stdin.close()


def serve_job() -> None:
    """Read one job from stdin, run it, and write progress and result to stdout."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not corrupt the messages
    asked = receive(sys.stdin.buffer, JobData)
    if asked is None:
        return
    try:
        send(out, _answer(asked.job, lambda part: send(out, Part(part))))
    except BrokenPipeError:
        os._exit(1)  # the parent has ended


def run_packed(request: bytes) -> bytes:
    """Run a job for a worker that receives and returns bytes: packed `JobData` in, a packed `Message` out."""
    job = msgspec.msgpack.decode(request, type=JobData).job
    return msgspec.msgpack.encode(_answer(job, lambda _: None))


def packed_request(job: Job) -> bytes:
    """Return the argument of `run_packed`; its worker may have another current directory."""
    return msgspec.msgpack.encode(JobData.of(replace(job, feeds=job.feeds.absolute())))


def packed_answer(answer: bytes) -> dict[str, Any]:
    """Return the outcome in a result of `run_packed`.

    Raises
    ------
    calib.errors.CalibError
        The error that the job raised.
    ChildProcessError
        If the job met an error that calib cannot explain; the text has its trace.
    """
    match msgspec.msgpack.decode(answer, type=_MESSAGE):
        case JobDone(outcome=outcome):
            return outcome
        case Raised() as raised:
            raise raised.error
        case JobFailed(trace=trace):
            raise ChildProcessError(f"a replay's process failed\n{trace}")
        case _:
            raise ChildProcessError("a replay's process ended without an answer")


def _answer(job: Job, progress: Callable[[float], None]) -> Message:
    try:
        return JobDone(job.run(progress))
    except CalibError as error:
        return Raised(type(error).__name__, error.what, error.where, error.hint)
    except BrokenPipeError:
        raise
    except Exception:
        return JobFailed(traceback.format_exc())
