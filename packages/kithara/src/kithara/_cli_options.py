"""The options that several commands take, and how their words become values."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer

from kithara_hls import HlsOptions

from ._session import Variant

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="An audio file or an HLS playlist (http or https), or an audio file of this machine.",
        show_default=False,
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Folder of the cache; by default the platform's."),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Send no request.")]
VariantOption = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="WHICH",
        help="Which HLS variant: its number, best, worst, or auto, by what the network gives.",
        autocompletion=lambda: ["auto", "best", "worst"],
    ),
]
RetriesOption = Annotated[
    int | None,
    typer.Option("--retries", metavar="N", min=0, help="Tries in a row after a failure."),
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        metavar="LINE",
        help="'Name: value', sent with each request; credentials only to the server of URL. "
        "May be repeated.",
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="HEX", help="The AES key of the segments, in place of theirs."),
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", metavar="CODE", help="Which HLS audio, such as de or en-GB."),
]
LostOption = Annotated[
    str,
    typer.Option(
        "--lost",
        metavar="WHAT",
        help="What becomes of an HLS segment that nobody has: raise (an error) or silence.",
    ),
]
StartOption = Annotated[
    str, typer.Option("--start", metavar="TIME", help="Begin there: seconds, or [h:]mm:ss.")
]
DurationOption = Annotated[
    str | None,
    typer.Option(
        "--duration", metavar="TIME", help="Stop after so much sound.", show_default=False
    ),
]
RateOption = Annotated[
    int | None, typer.Option("--rate", metavar="HZ", min=1, help="Resample to this rate.")
]
ChannelsOption = Annotated[
    int | None, typer.Option("--channels", metavar="N", min=1, max=8, help="Mix to so many.")
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a page about what happened (HTML)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="A JSON object on each line, instead.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a command was asked to open, and how."""

    url: str
    cache: Path | None = None
    offline: bool = False
    variant: Variant | None = None
    retries: int | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    hls: HlsOptions | None = None
    rate: int | None = None
    channels: int | None = None
    look_ahead: int | None = None
    report: Path | None = None


def parse_hls(
    key: str | None, language: str | None = None, lost: str = "raise"
) -> HlsOptions | None:
    """What HLS is told beyond the variant; None if nothing is.

    A key that is given counts, whatever the server answers.
    """
    match lost:
        case "raise" if key is None and language is None:
            return None
        case "raise" | "silence":
            options = HlsOptions(variant="best", language=language, lost=lost)
        case _:
            complaint = f"{lost!r} is neither raise nor silence"
            raise typer.BadParameter(complaint, param_hint="--lost")
    if key is None:
        return options
    try:
        value = bytes.fromhex(key)
    except ValueError:
        value = b""
    if len(value) not in (16, 32):
        raise typer.BadParameter("a key is 32 or 64 hexadecimal digits", param_hint="--key")
    return replace(options, key_processor=lambda *_: value)


def parse_headers(lines: list[str] | None) -> dict[str, str]:
    """Turn "Name: value" into headers; a wrong one is a usage error that does not show it."""
    headers = {}
    for number, line in enumerate(lines or (), 1):
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or any(c in line for c in "\r\n\0"):
            raise typer.BadParameter(f"number {number} is no 'Name: value'", param_hint="--header")
        headers[name.strip()] = value.strip()
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


def parse_time(text: str, option: str) -> float:
    """Turn "90", "1:30" or "1:02:03.5" into seconds; a wrong one is a usage error."""
    seconds = 0.0
    parts = text.split(":")
    for place, part in enumerate(parts):
        whole, dot, fraction = part.partition(".")
        last = place == len(parts) - 1
        digits = whole + fraction
        if len(parts) > 3 or not digits.isdecimal() or not digits.isascii() or (dot and not last):
            raise typer.BadParameter(f"{text!r} is no time such as 90 or 1:30", param_hint=option)
        seconds = seconds * 60 + float(part)
    return seconds


def check_output(path: Path, option: str, source: str | None = None) -> None:
    """Refuse an output that cannot be written, or is the input, before anything is fetched."""
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a folder", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(path.parent)!r}", param_hint=option)
    if source is not None and os.path.exists(source) and path.exists() and path.samefile(source):
        raise typer.BadParameter(f"{str(path)!r} is what is to be decoded", param_hint=option)
