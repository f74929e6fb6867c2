"""The command `kithara`."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer
from rich.markup import escape

from ._cache import default_cache
from ._cache_cli import app as cache_app
from ._cli_options import (
    Ask,
    CacheOption,
    ChannelsOption,
    DurationOption,
    HeaderOption,
    JsonOption,
    KeyOption,
    LanguageOption,
    LostOption,
    OfflineOption,
    RateOption,
    ReportOption,
    RetriesOption,
    StartOption,
    Url,
    VariantOption,
    check_output,
    parse_headers,
    parse_hls,
    parse_time,
    parse_variant,
)
from ._complaints import INTERRUPTED, PIPE_CLOSED, Output, complaints, errors, name_of
from ._facts import facts_of, lines_of, moment_of, origin, stretch
from ._open import STRETCH_LOOK_AHEAD
from ._open import fetch as fetch_url
from ._open import open as open_track
from ._output import FORMATS, STDOUT, format_of, is_pipe, open_output
from ._play import play as play_chunks
from ._progress import Moment
from ._track import Track
from ._units import clock, megabytes
from ._voice import Voice

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # boxes would cut the names of options where a terminal is narrow
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cache_app, name="cache")

_Usage = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])  # typer hides its base
INFO_LOOK_AHEAD = 256 * 1024

OutOption = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="FILE", help="A .wav, .flac, .ogg or .raw file; - is stdout."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="KIND",
        help=f"{', '.join(FORMATS)}; by default what the name ends with.",
    ),
]


@app.callback()
def kithara(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=lambda asked: tell_version(asked),
                           help="Show the version and exit.")
    ] = False,
) -> None:  # fmt: skip
    """Audio URLs as PCM while the bytes arrive; kept on disk, played again offline.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 offline and not in the cache, 130 interrupted,
    141 nobody reads the output any more.
    """


@app.command(
    epilog="""Examples:

kithara decode https://example.org/a.m3u8 -o a.wav

kithara decode https://example.org/a.mp3 -o - --duration 10 | aplay

kithara decode https://example.org/a.ogg -o a.wav --rate 16000 --channels 1"""
)
def decode(
    url: Url,
    out: OutOption,
    cache: CacheOption = None,
    offline: OfflineOption = False,
    variant: VariantOption = None,
    start: StartOption = "0",
    duration: DurationOption = None,
    rate: RateOption = None,
    channels: ChannelsOption = None,
    kind: FormatOption = None,
    header: HeaderOption = None,
    key: KeyOption = None,
    language: LanguageOption = None,
    lost: LostOption = "raise",
    retries: RetriesOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decode a URL into a file or a pipe.

    WAV and raw are 32-bit floats; FLAC and Ogg need the extra kithara[encode]. The bytes stay in
    the cache.
    """
    begin = parse_time(start, "--start")
    limit = None if duration is None else parse_time(duration, "--duration")
    form = format_of(out, kind)
    piped = is_pipe(out)
    if form is None or (piped and form not in ("wav", "raw")):
        complaint = f"{kind or str(out)!r} is none of {', '.join(FORMATS)}; a pipe takes wav or raw"
        raise typer.BadParameter(complaint, param_hint="--format" if kind else "--output")
    if out != STDOUT:
        check_output(out, "--output", source=url)
    ask = Ask(
        url=url,
        cache=cache,
        offline=offline,
        variant=parse_variant(variant),
        retries=retries,
        headers=parse_headers(header),
        hls=parse_hls(key, language, lost),
        rate=rate,
        channels=channels,
        look_ahead=None if limit is None else STRETCH_LOOK_AHEAD,
        report=report,
    )
    with opened(ask) as track:
        with (
            open_output(out, track.spec, form) as writer,
            voice_for(url, timed=True, as_json=as_json, piped=piped) as voice,
        ):
            voice.say("opened", facts_of(track))
            for chunk in stretch(track, begin, limit):
                writer.write(chunk)
                voice.moved(moment_of(track))
            if not offline and not begin and limit is None:
                track.wait_complete()
        if piped and not as_json:
            return
        seconds = writer.frames / track.spec.sample_rate
        voice.done(
            f"{out}: {writer.frames} frames, {clock(seconds)}, {track.spec.sample_rate} Hz, "
            f"{track.spec.channels} channels; {origin(track)}",
            {"output": str(out), "frames": writer.frames, **moment_of(track).facts()},
        )


@app.command(
    epilog="""Examples:

kithara play https://example.org/master.m3u8

kithara play https://example.org/talk.mp3 --start 12:30 --duration 60"""
)
def play(
    url: Url,
    cache: CacheOption = None,
    offline: OfflineOption = False,
    variant: VariantOption = "auto",
    start: StartOption = "0",
    duration: DurationOption = None,
    rate: RateOption = None,
    channels: ChannelsOption = None,
    header: HeaderOption = None,
    key: KeyOption = None,
    language: LanguageOption = None,
    lost: LostOption = "raise",
    retries: RetriesOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a URL on the default audio device."""
    begin = parse_time(start, "--start")
    limit = None if duration is None else parse_time(duration, "--duration")
    ask = Ask(
        url=url,
        cache=cache,
        offline=offline,
        variant=parse_variant(variant),
        retries=retries,
        headers=parse_headers(header),
        hls=parse_hls(key, language, lost),
        rate=rate,
        channels=channels,
        report=report,
    )
    with opened(ask) as track, voice_for(url, timed=True, as_json=as_json) as voice:
        voice.say("opened", facts_of(track))
        for _ in play_chunks(stretch(track, begin, limit), track.spec):
            voice.moved(moment_of(track))
        voice.say("done", moment_of(track).facts())


@app.command(
    epilog="""Examples:

kithara fetch https://example.org/album/master.m3u8 --variant best

kithara play https://example.org/album/master.m3u8 --variant best --offline"""
)
def fetch(
    url: Url,
    cache: CacheOption = None,
    variant: VariantOption = None,
    header: HeaderOption = None,
    key: KeyOption = None,
    language: LanguageOption = None,
    retries: RetriesOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch all of a URL into the cache, so that it plays offline."""
    chosen, headers, hls = parse_variant(variant), parse_headers(header), parse_hls(key, language)
    if report is not None:
        check_output(report, "--report")
    with complaints(url), voice_for(url, timed=False, as_json=as_json) as voice:
        stats = fetch_url(
            url,
            cache=cache,
            variant=chosen,
            headers=headers,
            hls=hls,
            retries=retries,
            on_progress=lambda stats, total: voice.moved(
                Moment(done=stats.bytes_received + stats.bytes_cached, total=total, stats=stats)
            ),
            on_report=None if report is None else lambda page: page.save(report),
        )
        voice.done(
            f"complete: {megabytes(stats.bytes_received)} from the network in "
            f"{stats.requests} requests, {megabytes(stats.bytes_cached)} were in the cache",
            {
                "requests": stats.requests,
                "received": stats.bytes_received,
                "cached": stats.bytes_cached,
            },
        )


@app.command(
    epilog="""Example:

kithara info https://example.org/master.m3u8 --json | jq .variants"""
)
def info(
    url: Url,
    cache: CacheOption = None,
    offline: OfflineOption = False,
    variant: VariantOption = None,
    header: HeaderOption = None,
    key: KeyOption = None,
    retries: RetriesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Show what a URL is, fetching no more than its beginning."""
    ask = Ask(
        url=url,
        cache=cache,
        offline=offline,
        variant=parse_variant(variant),
        retries=retries,
        headers=parse_headers(header),
        hls=parse_hls(key, lost="silence"),  # what it is shows in any segment
        look_ahead=INFO_LOOK_AHEAD,
    )
    with opened(ask) as track:
        facts = facts_of(track) | {
            "cache": str(cache or default_cache()),
            "received": track.stats.bytes_received,
            "cached": track.stats.bytes_cached,
        }
        output = Output(file=sys.stdout)
        if as_json:
            output.print_json(json.dumps(facts))
            return
        for name, value in facts.items():
            for number, line in enumerate(lines_of(name, value)):
                label = "" if number else name.replace("_", " ")
                output.print(f"[dim]{label:<12}[/dim] {escape(line)}", soft_wrap=True)


def tell_version(asked: bool) -> None:
    """Print the version and end, if that is asked for."""
    if asked:
        sys.stdout.write(f"kithara {version('kithara')}\n")
        raise typer.Exit


def voice_for(url: str, *, timed: bool, as_json: bool, piped: bool = False) -> Voice:
    """A voice on stdout, or on stderr where sound goes to stdout."""
    out = sys.stderr if piped else sys.stdout
    return Voice(escape(name_of(url)), timed=timed, as_json=as_json, out=out, errors=errors)


@contextmanager
def opened(ask: Ask) -> Iterator[Track]:
    """Open a track, and complain as a command does; write the report also when it fails."""
    if ask.report is not None:
        check_output(ask.report, "--report")
    with (
        complaints(ask.url),
        open_track(
            ask.url,
            cache=ask.cache,
            offline=ask.offline,
            variant=ask.variant,
            rate=ask.rate,
            channels=ask.channels,
            headers=ask.headers,
            hls=ask.hls,
            look_ahead=ask.look_ahead,
            retries=ask.retries,
        ) as track,
    ):
        try:
            yield track
        finally:
            if ask.report is not None:
                track.report().save(ask.report)


def main() -> NoReturn:
    """Run the command line; wrong usage is one line."""
    width = min(shutil.get_terminal_size().columns, 80) - 2
    if sys.stdout is None:  # closed by whoever started this: nobody listens
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            main()
    try:
        with complaints():
            try:
                code = app(standalone_mode=False, terminal_width=width)
            except _Usage as error:
                code = 2
                told_usage(error)
    except typer.Abort:
        code = INTERRUPTED
    except typer.Exit as ended:
        code = ended.exit_code
    except SystemExit:  # nobody read the help; typer ends with 1, having taken stdout's place
        code = PIPE_CLOSED
    sys.exit(code if isinstance(code, int) else 0)


def told_usage(error: typer.BadParameter) -> None:
    """Say what was wrong in one line, or show the help where no command was given."""
    context = error.ctx
    path = "kithara" if context is None else context.command_path
    message = error.format_message()
    if context is not None and message == context.get_help():
        sys.stdout.write(f"{message}\n")
        return
    message = escape(" ".join(message.split()))
    errors.print(f"[bold red]{path}:[/] {message} (see `{path} --help`)", soft_wrap=True)
