"""The command `kithara`."""

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

from kithara_assets import DiskFull

from ._cache import default_cache
from ._cache_cli import app as cache_app
from ._complaints import INTERRUPTED, PIPE_CLOSED, complain_of, complaints, name_of
from ._facts import Moment, facts_of, lines_of, losses_of, moment_of, origin, stretch
from ._options import (
    Asked,
    Heard,
    OfflineOption,
    ReportOption,
    check_output,
    parse_headers,
    parse_variant,
    unfolded,
)
from ._output import FORMATS, STDOUT, format_of, is_pipe, open_output
from ._units import clock, megabytes
from ._voice import Voice

if TYPE_CHECKING:
    from kithara import Track

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # boxes would cut the names of options where a terminal is narrow
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cache_app, name="cache")

_Usage = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])  # typer hides its base
MOST_LOSSES = 8  # told one by one
SMALL_LOOK_AHEAD = 256 * 1024  # bytes; of what is looked at, or of which a stretch is heard


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
@unfolded
def decode(
    ask: Heard,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="A .wav, .flac, .ogg or .raw file; - is stdout."
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="KIND",
            help=f"{', '.join(FORMATS)}; by default what the name ends with.",
        ),
    ] = None,
) -> None:
    """Decode a URL into a file or a pipe.

    WAV and raw are 32-bit floats; FLAC and Ogg need the extra kithara[encode]. The bytes stay in
    the cache.
    """
    if out != STDOUT:
        check_output(out, "--output", ask.url)
    form = format_of(out, kind)
    piped = is_pipe(out)
    if form is None or (piped and form not in ("wav", "raw")):
        complaint = f"{kind or str(out)!r} is none of {', '.join(FORMATS)}"
        if form:
            complaint = f"a pipe takes wav or raw, not {form}"
        raise typer.BadParameter(complaint, param_hint="--format" if kind else "--output")
    if ask.report is not None and ask.report.resolve() == out.resolve():
        raise typer.BadParameter("it would take the place of the output", param_hint="--report")
    with opened(ask) as track:
        with (
            open_output(out, track.spec, form) as writer,
            voice_for(ask, timed=True, piped=piped) as voice,
        ):
            voice.say("opened", facts_of(track))
            for chunk in stretch(track, ask.start, ask.duration):
                writer.write(chunk)
                voice.moved(moment_of(track))
            tell_emptiness(track, ask, writer.frames)
            tell_losses(track)
            if not ask.offline and not ask.start and ask.duration is None:
                keep(track)
        if piped and not ask.as_json:
            return
        seconds = writer.frames / track.spec.sample_rate
        voice.done(
            f"{out}: {writer.frames} frames, {clock(seconds)}, {track.spec.sample_rate} Hz, "
            f"{track.spec.channels} channels; {origin(track)}",
            {
                "output": str(out),
                "frames": writer.frames,
                "losses": losses_of(track),
                **moment_of(track).facts(),
            },
        )


@app.command(
    epilog="""Examples:

kithara play https://example.org/master.m3u8

kithara play https://example.org/talk.mp3 --start 12:30 --duration 60"""
)
@unfolded
def play(ask: Heard) -> None:
    """Play a URL on the default audio device.

    The variant is chosen by what the network gives, unless you choose one.
    """
    ask = replace(ask, variant=ask.variant or "auto")
    with opened(ask) as track, voice_for(ask, timed=True) as voice:
        from ._play import play as play_chunks

        voice.say("opened", facts_of(track))
        frames = 0
        for chunk in play_chunks(stretch(track, ask.start, ask.duration), track.spec):
            frames += len(chunk.data)
            voice.moved(moment_of(track))
        tell_emptiness(track, ask, frames)
        tell_losses(track)
        voice.say("done", {"losses": losses_of(track), **moment_of(track).facts()})


@app.command(
    epilog="""Examples:

kithara fetch https://example.org/album/master.m3u8 --variant best

kithara play https://example.org/album/master.m3u8 --variant best --offline"""
)
@unfolded
def fetch(ask: Asked, report: ReportOption = None) -> None:
    """Fetch all of a URL into the cache, so that it plays offline."""
    variant, headers = parse_variant(ask.variant), parse_headers(ask.header)
    if report is not None:
        check_output(report, "--report", ask.url)
    with complaints(ask.url):
        from kithara import fetch as fetch_url

        with voice_for(ask, timed=False) as voice:
            stats = fetch_url(
                ask.url,
                cache=ask.cache,
                variant=variant,
                headers=headers,
                hls=ask.hls(),
                retries=ask.retries,
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
@unfolded
def info(ask: Asked, offline: OfflineOption = False) -> None:
    """Show what a URL is, fetching no more than its beginning."""
    # What it is shows in any segment, so that one which is lost is none of its business.
    with (
        complaints(ask.url),
        ask.open(offline=offline, lost="silence", look_ahead=SMALL_LOOK_AHEAD) as track,
    ):
        facts = facts_of(track) | {
            "cache": str(ask.cache or default_cache()),
            "received": track.stats.bytes_received,
            "cached": track.stats.bytes_cached,
        }
        if ask.as_json:
            sys.stdout.write(json.dumps(facts) + "\n")
            return
        for name, value in facts.items():
            for number, line in enumerate(lines_of(name, value)):
                label = "" if number else name.replace("_", " ")
                sys.stdout.write(f"{label:<12} {line}\n")


def keep(track: "Track") -> None:
    """Have what was not needed for the sound in the cache, too, for the next time offline."""
    try:
        track.wait_complete()
    except DiskFull as error:  # the sound is whole, and that is what was asked for
        complain_of("kithara", f"the cache could not keep it: {error}")


def tell_emptiness(track: "Track", ask: Heard, frames: int) -> None:
    """Say why nothing was heard where the stretch begins behind the end."""
    if not frames and ask.start and track.duration is not None and ask.start >= track.duration:
        ends = f"the sound ends at {clock(track.duration)}"
        complain_of("kithara", f"there is nothing from {clock(ask.start)} on: {ends}")


def tell_losses(track: "Track") -> None:
    """Say where sound is missing, one by one for the first few places."""
    rate, losses = track.spec.sample_rate, track.losses
    for loss in losses[:MOST_LOSSES]:
        length = "" if loss.frames is None else f" for {loss.frames / rate:.3g} s"
        complain_of("kithara", f"no sound at {clock(loss.frame / rate)}{length}: {loss.reason}")
    if len(losses) > MOST_LOSSES:
        complain_of("kithara", f"… and at {len(losses) - MOST_LOSSES} places more")


def tell_version(asked: bool) -> None:
    """Print the version and end, if that is asked for."""
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"kithara {version('kithara')}\n")
        raise typer.Exit


def voice_for(ask: Asked, *, timed: bool, piped: bool = False) -> Voice:
    """A voice on stdout, or on stderr where sound goes to stdout."""
    out = sys.stderr if piped else sys.stdout
    return Voice(name_of(ask.url), timed=timed, as_json=ask.as_json, out=out)


@contextmanager
def opened(ask: Heard) -> Iterator["Track"]:
    """Open a track, and complain as a command does; write the report also when it fails."""
    report = ask.report
    if report is not None:
        check_output(report, "--report", ask.url)
    with (
        complaints(ask.url),
        ask.open(
            offline=ask.offline,
            lost=ask.lost,
            rate=ask.rate,
            channels=ask.channels,
            strict=ask.strict,
            look_ahead=None if ask.duration is None else SMALL_LOOK_AHEAD,
        ) as track,
    ):
        try:
            yield track
        finally:
            if report is not None:
                track.report().save(report)


def main() -> NoReturn:
    """Run the command line; wrong usage is one line."""
    width = min(shutil.get_terminal_size().columns, 80) - 2
    if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding lacks is spelt, as on stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    for stream, redirected in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
        if stream is None:  # closed by whoever started this: nobody listens
            with open(os.devnull, "w", encoding="utf-8") as nowhere, redirected(nowhere):
                main()
    try:
        with complaints():
            try:
                code = app(prog_name="kithara", standalone_mode=False, terminal_width=width)
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
    complain_of(path, f"{message} (see `{path} --help`)")
