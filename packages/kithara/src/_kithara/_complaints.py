"""Errors as one line on stderr and an exit code."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import typer

from ._urls import shown

if TYPE_CHECKING:
    from rich.console import Console

FAILED, NOT_CACHED, INTERRUPTED, PIPE_CLOSED = 1, 3, 130, 141
_ENDINGS = [number for number in signal.Signals if number.name in ("SIGTERM", "SIGHUP")]


class Ended(BaseException):
    """The system wants this process to end, by a signal; what was begun is tidied up first."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@cache
def errors() -> "Console":
    """The one console on stderr: what it prints does not disturb the line of progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def complaints(url: str | None = None) -> Iterator[None]:
    """Turn errors into one line on stderr, with the URL and the cause, and an exit code."""
    try:
        with interruptible(), retries_shown():
            yield
            sys.stdout.flush()
    except Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        signal.raise_signal(ended.number)
    except KeyboardInterrupt:
        complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        give_up_stdout()
        raise typer.Exit(PIPE_CLOSED) from None
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            give_up_stdout()  # or the interpreter meets the same at its end, and exits with 120
        complain(f"cannot write {error.filename or 'the output'}: {error.strerror}", FAILED)
    except _missed() as error:
        complain(str(error), NOT_CACHED)
    except _families() as error:
        text, plain = str(error), "" if url is None else shown(url)
        complain(text if plain in text else f"{plain}: {text}", FAILED)


@contextmanager
def interruptible() -> Iterator[None]:
    """Make what would end the process at once an exception: `KeyboardInterrupt`, or `Ended`."""
    handlers = dict.fromkeys(_ENDINGS, _end) | {signal.SIGINT: signal.default_int_handler}
    ours = [number for number in handlers if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def give_up_stdout() -> None:
    """Nobody takes the output: what is left of it goes nowhere, now and at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def complain(text: str, code: int) -> NoReturn:
    """Print one line and exit."""
    complain_of("kithara", text)
    raise typer.Exit(code)


def complain_of(command: str, text: str) -> None:
    """Print what went wrong, in one line."""
    from rich.markup import escape

    text = escape(" ".join(text.split()))
    errors().print(f"[bold red]{command}:[/] {text}", soft_wrap=True)


@contextmanager
def retries_shown() -> Iterator[None]:
    """Tell on a terminal why it takes longer; net logs a warning before it tries again."""
    handler = _Shown()
    logger = logging.getLogger("kithara_net")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def name_of(url: str) -> str:
    """The last part of a URL's path, for the progress line."""
    parts = urlsplit(shown(url))
    return parts.path.rstrip("/").rpartition("/")[2] or parts.netloc


def _end(number: int, _: object) -> None:
    raise Ended(number)


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr.isatty():
            errors().print(record.getMessage(), style="dim", markup=False, soft_wrap=True)


def _missed() -> type[Exception]:
    """What offline raises; imported when something went wrong, as what follows."""
    from kithara_assets import OfflineMiss

    return OfflineMiss


def _families() -> tuple[type[Exception], ...]:
    from kithara import ERRORS

    return ERRORS
