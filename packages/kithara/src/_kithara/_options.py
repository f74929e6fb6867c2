"""The options of the commands that open a URL, each said once, and how words become values."""

import inspect
import os
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints
from urllib.parse import unquote

import typer

if TYPE_CHECKING:
    from kithara import HlsOptions, Track

Variant: TypeAlias = int | Literal["auto", "best", "worst"]
Lost: TypeAlias = Literal["raise", "silence"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^`|~\w-]+", re.ASCII)
_CLIENTS_OWN = frozenset({"accept-encoding", "range"})


def parse_key(text: str) -> bytes:
    """Turn hexadecimal digits into a key; wrong ones are a usage error that does not show them."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) not in (16, 32):
        raise typer.BadParameter("a key is 32 or 64 hexadecimal digits")
    return value


def parse_lost(text: str) -> Lost:
    """Check the word; a wrong one is a usage error."""
    match text:
        case "raise" | "silence":
            return text
    raise typer.BadParameter(f"{text!r} is neither raise nor silence")


def parse_headers(lines: list[str] | None) -> dict[str, str]:
    """Turn "Name: value" into headers; a wrong one is a usage error that does not show it."""
    headers = {}
    for number, line in enumerate(lines or (), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        complaint = None
        if not colon or not _HEADER_NAME.fullmatch(name) or any(c in value for c in "\r\n\0"):
            complaint = f"number {number} is no 'Name: value'"
        elif name.lower() in _CLIENTS_OWN:
            complaint = f"{name} is not for you to set: `--start` and `--duration` take a part"
        if complaint:
            raise typer.BadParameter(complaint, param_hint="--header")
        headers[name] = value
    return headers


def parse_variant(text: str | None) -> Variant | None:
    """Turn the option into what `open` takes; a wrong one is a usage error."""
    match text:
        case None:
            return None
        case "auto" | "best" | "worst":
            return text
        case _ if text.isascii() and text.isdecimal():
            return int(text)
    complaint = f"{text!r} is neither a number nor auto, best or worst"
    raise typer.BadParameter(complaint, param_hint="--variant")


def parse_time(text: str) -> float:
    """Turn "90", "1:30" or "1:02:03.5" into seconds; a wrong one is a usage error."""
    seconds = 0.0
    parts = text.split(":")
    for place, part in enumerate(parts):
        whole, dot, fraction = part.partition(".")
        last = place == len(parts) - 1
        digits = whole + fraction
        if len(parts) > 3 or not digits.isdecimal() or not digits.isascii() or (dot and not last):
            raise typer.BadParameter(f"{text!r} is no time such as 90 or 1:30")
        seconds = seconds * 60 + float(part)
    return seconds


def check_output(path: Path, option: str, source: str) -> None:
    """Refuse an output that cannot be written, or is the input, before anything is fetched."""
    if source.startswith("file:"):
        source = unquote(source.removeprefix("file:").removeprefix("//"))
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a folder", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(path.parent)!r}", param_hint=option)
    if os.path.exists(source) and path.exists() and path.samefile(source):
        raise typer.BadParameter(f"{str(path)!r} is what is to be decoded", param_hint=option)


CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Folder of the cache; by default the platform's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="A JSON object on each line, instead.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Send no request.")]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a page about what happened (HTML)."),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be opened, and how: the options of every command that takes a URL."""

    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="An audio file or an HLS playlist (http or https), or an audio file of this "
            "machine.",
            show_default=False,
        ),
    ]
    cache: CacheOption = None
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="WHICH",
            help="Which HLS variant: its number, best, worst, or auto, by what the network gives.",
            autocompletion=lambda: ["auto", "best", "worst"],
        ),
    ] = None
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="CODE", help="Which HLS audio, such as de or en-GB."),
    ] = None
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            metavar="LINE",
            help="'Name: value', sent with each request; credentials only to the server of URL. "
            "May be repeated.",
        ),
    ] = None
    key: Annotated[
        bytes | None,
        typer.Option(
            "--key",
            metavar="HEX",
            parser=parse_key,
            help="The AES key of the segments, in place of theirs.",
        ),
    ] = None
    retries: Annotated[
        int | None,
        typer.Option("--retries", metavar="N", min=0, help="Tries in a row after a failure."),
    ] = None
    as_json: JsonOption = False

    def hls(self, lost: Lost = "raise") -> "HlsOptions | None":
        """What HLS is told beyond the variant; None if nothing is.

        A key that is given counts, whatever the server answers.
        """
        key = self.key
        if key is None and self.language is None and lost == "raise":
            return None
        from kithara import HlsOptions

        options = HlsOptions(variant="best", language=self.language, lost=lost)
        return options if key is None else replace(options, key_processor=lambda *_: key)

    def open(
        self,
        *,
        offline: bool = False,
        lost: Lost = "raise",
        rate: int | None = None,
        channels: int | None = None,
        strict: bool = False,
        look_ahead: int | None = None,
    ) -> "Track":
        """Open it; raises what `kithara.open` does, and BadParameter for wrong words."""
        variant, headers = parse_variant(self.variant), parse_headers(self.header)
        from kithara import open as open_track

        return open_track(
            self.url,
            cache=self.cache,
            offline=offline,
            variant=variant,
            rate=rate,
            channels=channels,
            strict=strict,
            headers=headers,
            hls=self.hls(lost),
            look_ahead=look_ahead,
            retries=self.retries,
        )


@dataclass(frozen=True, kw_only=True)
class Heard(Asked):
    """The options of the commands that make sound of a URL."""

    start: Annotated[
        float | None,
        typer.Option(
            "--start",
            metavar="TIME",
            parser=parse_time,
            help="Begin there: seconds, or [h:]mm:ss.",
        ),
    ] = None
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration", metavar="TIME", parser=parse_time, help="Stop after so much sound."
        ),
    ] = None
    rate: Annotated[
        int | None, typer.Option("--rate", metavar="HZ", min=1, help="Resample to this rate.")
    ] = None
    channels: Annotated[
        int | None,
        typer.Option("--channels", metavar="N", min=1, max=8, help="Mix to so many."),
    ] = None
    lost: Annotated[
        Lost,
        typer.Option(
            "--lost",
            metavar="WHAT",
            parser=parse_lost,
            help="What becomes of an HLS segment that nobody has: raise (an error) or silence.",
        ),
    ] = "raise"
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Fail where damage has left no sound; else it is told."),
    ] = False
    offline: OfflineOption = False
    report: ReportOption = None


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of the dataclass that its first parameter is.

    The command's own options come first in its help.
    """
    asked, *own = inspect.signature(command).parameters.values()
    kind = asked.annotation
    hints = get_type_hints(kind, include_extras=True)
    shared = {
        field.name: Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    }

    @wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in shared}
        command(kind(**given), **values)

    parameters = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own] + list(shared.values())
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
