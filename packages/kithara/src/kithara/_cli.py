"""The command `kithara`."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from kithara_assets import OfflineMiss

from ._cache import default_cache
from ._errors import ERRORS
from ._open import LOOK_AHEAD, RETRIES
from ._open import fetch as fetch_url
from ._open import open as open_track
from ._play import play as play_chunks
from ._progress import ProgressLine, clock, megabytes
from ._session import Variant
from ._track import Track
from ._wav import WavWriter

FAILED, NOT_CACHED, INTERRUPTED = 1, 3, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""Audio URLs as PCM while the bytes arrive; kept on disk, played again offline.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 offline and not in the cache, 130 interrupted.""",
)
errors = Console(stderr=True, highlight=False)
output = Console(highlight=False)

Url = Annotated[str, typer.Argument(help="An audio file or an HLS playlist (http or https).")]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Folder of the cache; by default the platform's.",
        file_okay=False,
    ),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Send no request.")]
VariantOption = Annotated[
    str, typer.Option("--variant", metavar="N|best|worst", help="Which HLS variant.")
]
RetriesOption = Annotated[
    int, typer.Option("--retries", metavar="N", min=0, help="Tries in a row after a failure.")
]


@app.command()
def decode(
    url: Url,
    out: Annotated[Path, typer.Option("-o", "--output", help="The WAV file to write.")],
    cache: CacheOption = None,
    offline: OfflineOption = False,
    variant: VariantOption = "best",
    retries: RetriesOption = RETRIES,
) -> None:
    """Decode a URL into a WAV file of 32-bit floats, and keep its bytes in the cache."""
    chosen = parse_variant(variant)
    check_output(out)
    with opened(url, cache=cache, offline=offline, variant=chosen, retries=retries) as track:
        with (
            WavWriter(out, track.spec) as wav,
            ProgressLine(errors, name_of(url), timed=True) as line,
        ):
            for chunk in track:
                wav.write(chunk)
                line.show(track.position, track.duration, track.stats)
            if not offline:
                track.wait_complete()
            line.show(track.position, track.position, track.stats)
        output.print(
            f"{escape(str(out))}: {wav.frames} frames, {clock(track.position)}, "
            f"{track.spec.sample_rate} Hz, {track.spec.channels} channels; {origin(track)}",
            soft_wrap=True,
        )


@app.command()
def play(
    url: Url,
    cache: CacheOption = None,
    offline: OfflineOption = False,
    variant: VariantOption = "best",
    retries: RetriesOption = RETRIES,
) -> None:
    """Play a URL on the default audio device."""
    chosen = parse_variant(variant)
    with (
        opened(url, cache=cache, offline=offline, variant=chosen, retries=retries) as track,
        ProgressLine(errors, name_of(url), timed=True) as line,
    ):
        for _ in play_chunks(track, track.spec):
            line.show(track.position, track.duration, track.stats)


@app.command()
def fetch(
    url: Url,
    cache: CacheOption = None,
    variant: VariantOption = "best",
    retries: RetriesOption = RETRIES,
) -> None:
    """Fetch all of a URL into the cache, so that it plays offline."""
    chosen = parse_variant(variant)
    with complaints(url):
        with ProgressLine(errors, name_of(url), timed=False) as line:
            stats = fetch_url(
                url,
                cache=cache,
                variant=chosen,
                retries=retries,
                on_progress=lambda stats, total: line.show(
                    stats.bytes_received + stats.bytes_cached, total, stats
                ),
            )
        output.print(
            f"complete: {megabytes(stats.bytes_received)} from the network in "
            f"{stats.requests} requests, {megabytes(stats.bytes_cached)} were in the cache",
            soft_wrap=True,
        )


@app.command()
def info(
    url: Url,
    cache: CacheOption = None,
    offline: OfflineOption = False,
    variant: VariantOption = "best",
    retries: RetriesOption = RETRIES,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Show what a URL is, fetching no more than its beginning."""
    chosen = parse_variant(variant)
    with opened(
        url, cache=cache, offline=offline, variant=chosen, retries=retries, look_ahead=256 * 1024
    ) as track:
        facts: dict[str, object] = {
            "url": url,
            "kind": track.kind,
            "container": track.container,
            "sample_rate": track.spec.sample_rate,
            "channels": track.spec.channels,
            "duration": track.duration,
            "bytes": track.length,
            "tags": dict(track.tags),
            "variants": list(track.variants),
            "variant": track.variant,
            "cache": str(cache or default_cache()),
            "received": track.stats.bytes_received,
            "cached": track.stats.bytes_cached,
        }
    if as_json:
        output.print_json(json.dumps(facts))
        return
    for name, value in facts.items():
        for number, line in enumerate(shown(name, value)):
            label = "" if number else name.replace("_", " ")
            output.print(f"[dim]{label:<12}[/dim] {escape(line)}", soft_wrap=True)


def shown(name: str, value: object) -> Iterator[str]:
    """The lines of one fact; none where there is nothing to tell."""
    match value:
        case None:
            return
        case dict():
            yield from (f"{key}: {text}" for key, text in value.items())
        case list():
            yield from map(str, value)
        case float():
            yield clock(value)
        case int() if name in ("bytes", "received", "cached"):
            yield megabytes(value)
        case _:
            yield str(value)


def parse_variant(text: str) -> Variant:
    """Turn the option into what `open` takes; a wrong one is a usage error."""
    match text:
        case "best":
            return "best"
        case "worst":
            return "worst"
        case _ if text.isascii() and text.isdecimal():
            return int(text)
    complaint = f"{text!r} is neither a number nor best nor worst"
    raise typer.BadParameter(complaint, param_hint="--variant")


def check_output(path: Path) -> None:
    """Refuse an output that cannot be written before anything is fetched."""
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a folder", param_hint="--output")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(path.parent)!r}", param_hint="--output")


def name_of(url: str) -> str:
    """The last part of a URL's path, for the progress line."""
    parts = urlsplit(url)
    return escape(unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc)


def origin(track: Track) -> str:
    """Where the bytes came from, as a sentence's end."""
    stats = track.stats
    return (
        f"{megabytes(stats.bytes_received)} from the network, "
        f"{megabytes(stats.bytes_cached)} from the cache"
    )


@contextmanager
def opened(
    url: str,
    *,
    cache: Path | None,
    offline: bool,
    variant: Variant,
    retries: int,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[Track]:
    """Open a track, and complain as a command does."""
    with (
        complaints(url),
        open_track(
            url,
            cache=cache,
            offline=offline,
            variant=variant,
            retries=retries,
            look_ahead=look_ahead,
        ) as track,
    ):
        yield track


@contextmanager
def complaints(url: str) -> Iterator[None]:
    """Turn errors into one line on stderr, with the URL and the cause, and an exit code."""
    try:
        with retries_shown():
            yield
    except KeyboardInterrupt:
        complain("interrupted", INTERRUPTED)
    except OfflineMiss as error:
        complain(str(error), NOT_CACHED)
    except ERRORS as error:
        text, plain = str(error), urlsplit(url)._replace(query="", fragment="").geturl()
        complain(text if plain in text else f"{plain}: {text}", FAILED)
    except OSError as error:
        complain(f"cannot write {error.filename or 'the output'}: {error.strerror}", FAILED)


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


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if errors.is_terminal:
            errors.print(f"[dim]{escape(record.getMessage())}[/]", soft_wrap=True)


def complain(text: str, code: int) -> NoReturn:
    """Print one line and exit."""
    errors.print(f"[bold red]kithara:[/] {escape(' '.join(text.split()))}", soft_wrap=True)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    app()
