"""Makes the pictures of the README from a real search of digits.

Run `uv run --group docs --group browser python docs/pictures.py`. The search runs in a terminal of 100 columns, in a
new folder, and its bytes are kept with their times. Then the moving picture is drawn from these, and the report and
MLflow's pages are photographed in the system's Chromium. With names of pictures (`python docs/pictures.py report
mlflow`) only these are made anew; `--folder` names a folder with a search that has been made already. With `terminals`
it draws what other commands print, after a search of two trials, into the folder that `--to` names: for a person to
look at, in CI.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageFont
    from playwright.sync_api import Page

PICTURES = Path(__file__).resolve().parent / "pictures"
COLUMNS, ROWS = 100, 32
COMMAND = ("apertune", "search", "digits")
README_PICTURES = ("search", "report", "mlflow")
# In this order, since the first search makes what is shown after it.
TERMINALS = (
    "--help", "datasets list", "datasets audit digits", "spaces list", "spaces show convnet", "search --help",
    "search digits --trials 2 --epochs 2 --limit 400", "studies", "status digits-convnet", "compare digits",
    "compare digits --trials 0,1", "search digts", "promote --help",
)  # fmt: skip
TERMINAL_ROWS = 160
# The moving picture takes this long, whatever the search took; its title says how much faster it runs.
SECONDS_SHOWN, SECONDS_AT_END = 24.0, 6.0
MOST_BYTES = {".gif": 1_000_000, ".png": 300_000}
BACKGROUND, FOREGROUND = "#10141a", "#d7dde5"
COLOURS = {
    "default": FOREGROUND, "black": "#3b4250", "red": "#ff6b68", "green": "#5fd38d", "brown": "#e6c35c",
    "blue": "#6aa9ff", "magenta": "#d58cff", "cyan": "#4fd0d8", "white": "#eef2f7",
    "brightblack": "#7d8796", "brightred": "#ff8a87", "brightgreen": "#86e7ab", "brightbrown": "#f5d98a",
    "brightblue": "#94c2ff", "brightmagenta": "#e6b3ff", "brightcyan": "#84e6ec", "brightwhite": "#ffffff",
}  # fmt: skip
Recording = list[tuple[float, str]]


def main() -> None:
    """Makes the pictures that the command line names, or those of the README."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"the pictures to make: {', '.join(README_PICTURES)}, terminals")
    parser.add_argument("--folder", type=Path, help="take the search that was made in this folder before")
    parser.add_argument("--to", type=Path, default=PICTURES, help="the folder to write to")
    chosen = parser.parse_args()
    names = chosen.names or README_PICTURES
    if unknown := set(names) - {*README_PICTURES, "terminals"}:
        parser.error(f"there is no picture called {', '.join(unknown)}")
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="apertune-pictures-"))
    for one in (folder, chosen.to):
        one.mkdir(parents=True, exist_ok=True)
    kept = folder / "search.cast"
    if not kept.exists() and set(names) & set(README_PICTURES):
        print(f"searching in {folder}")
        write_recording(kept, record(COMMAND, folder))
    if "search" in names:
        draw_search(read_recording(kept), chosen.to / "search.gif")
    if "report" in names:
        photograph_report(folder, chosen.to / "report.png")
    if "mlflow" in names:
        photograph_mlflow(folder, chosen.to / "mlflow.png")
    if "terminals" in names:
        draw_terminals(folder, chosen.to)
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.name}: {path.stat().st_size:,} bytes")
        assert path.stat().st_size <= MOST_BYTES[path.suffix], f"{path} is too large for a page"


def record(command: Sequence[str], folder: Path, *, rows: int = ROWS, may_fail: bool = False) -> Recording:
    """Runs a command in a terminal of its own, and returns what it wrote with the seconds since its start."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(rows)}
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written: Recording = []
    while True:
        if select.select([ours], [], [], 1)[0]:
            try:
                got = os.read(ours, 65536)
            except OSError:
                got = b""
            if not got:
                break
            written.append((time.monotonic() - start, got.decode("utf-8", "replace")))
        elif process.poll() is not None:
            break
    os.close(ours)
    if process.wait() and not may_fail:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return written


def write_recording(path: Path, recording: Recording) -> None:
    """Writes a recording as asciinema's players read it."""
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "command": " ".join(COMMAND)}
    lines = [head, *([round(seconds, 3), "o", text] for seconds, text in recording)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def read_recording(path: Path) -> Recording:
    """Reads a recording."""
    _, *lines = path.read_text(encoding="utf-8").splitlines()
    return [(float(seconds), text) for seconds, _, text in map(json.loads, lines)]


def draw_search(recording: Recording, path: Path) -> None:
    """Draws a recording as a moving picture, faster than it was, with the end standing still for a while."""
    import pyte

    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    stream.feed(f"\x1b[1m$ {' '.join(COMMAND)}\x1b[0m\r\n")
    took = recording[-1][0]
    speed = max(1.0, took / SECONDS_SHOWN)
    title = f"{' '.join(COMMAND)}: {took:.0f} s on two processor cores, shown {speed:.0f} times as fast"
    font = _font(15)
    frames, durations = [_draw(screen, title, font)], [0.0]
    shown = 0.0
    for seconds, text in recording:
        stream.feed(text)
        # A quarter of a second per frame is smooth enough for bars, and keeps the file small.
        if seconds / speed - shown >= 0.25:
            durations[-1] += seconds / speed - shown
            shown = seconds / speed
            frames.append(_draw(screen, title, font))
            durations.append(0.0)
    frames.append(_draw(screen, title, font))
    durations[-1] += 0.25
    durations.append(SECONDS_AT_END)
    palette = frames[-1].quantize(32)
    small = [frame.quantize(palette=palette, dither=0) for frame in frames]
    milliseconds = [max(20, round(duration * 1000)) for duration in durations]
    small[0].save(path, save_all=True, append_images=small[1:], duration=milliseconds, loop=0, optimize=True)


def draw_terminals(folder: Path, target: Path) -> None:
    """Draws what each of `TERMINALS` leaves in a terminal, as one picture per command."""
    import pyte

    font = _font(15)
    for number, words in enumerate(TERMINALS):
        screen = pyte.Screen(COLUMNS, TERMINAL_ROWS)
        stream = pyte.Stream(screen)
        for _, text in record(("apertune", *words.split()), folder, rows=TERMINAL_ROWS, may_fail=True):
            stream.feed(text)
        used = max((row for row, line in enumerate(screen.display) if line.strip()), default=0) + 1
        name = re.sub(r"\W+", "-", words).strip("-")
        image = _draw(screen, f"apertune {words}", font, rows=used)
        image.quantize(32).save(target / f"terminal-{number:02}-{name}.png", optimize=True)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the fixed-width font that ships inside Matplotlib, so that every machine draws the same."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"), size)


def _draw(screen: Any, title: str, font: ImageFont.FreeTypeFont, *, rows: int = ROWS) -> Image.Image:
    """Draws the first rows of the terminal as it stands now."""
    from PIL import Image, ImageDraw

    width, height, edge, bar = round(font.getlength("m" * 10) / 10), 19, 12, 30
    image = Image.new("RGB", (COLUMNS * width + 2 * edge, rows * height + 2 * edge + bar), BACKGROUND)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, image.width, bar), fill="#20262f")
    pen.text((edge, 7), title, font=font, fill="#9aa5b4")
    for row in range(rows):
        for column, cell in screen.buffer[row].items():
            if column >= COLUMNS or (cell.data == " " and cell.bg == "default" and not cell.reverse):
                continue
            x, y = edge + column * width, edge + bar + row * height
            ink, paper = _colour(cell.fg, FOREGROUND), _colour(cell.bg, BACKGROUND)
            if cell.reverse:
                ink, paper = paper, ink
            if paper != BACKGROUND:
                pen.rectangle((x, y, x + width - 1, y + height - 1), fill=paper)
            pen.text((x, y), cell.data, font=font, fill=ink, stroke_width=0)
    return image


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return COLOURS.get(name) or (f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else default)


def photograph_report(folder: Path, path: Path) -> None:
    """Writes the report of the study in a folder, and photographs its beginning."""
    subprocess.run(
        ["apertune", "report", "digits-convnet", "--to", "report.html"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with _page(1280, 1500) as page:
        page.goto((folder / "report.html").as_uri())
        page.wait_for_timeout(3000)
        _save(page, path)


def photograph_mlflow(folder: Path, path: Path) -> None:
    """Opens MLflow's page on the store in a folder, and photographs the table of the study's trials."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["apertune", "ui", "--port", str(port)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/health")
        with _page(1480, 900) as page:
            page.goto(f"{address}/#{_table_of_trials(folder)}")
            page.get_by_role("row").nth(3).wait_for(timeout=60_000)
            page.wait_for_timeout(4000)
            for word in ("Got it", "Close"):
                for button in page.get_by_role("button", name=word, exact=True).all():
                    button.click(timeout=1000)
            page.wait_for_timeout(1000)
            _save(page, path)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _table_of_trials(folder: Path) -> str:
    """Returns the page, within MLflow, of the view that the search made of its study."""
    import mlflow

    store = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow/mlflow.db")
    experiment = store.get_experiment_by_name("digits") or store.search_experiments()[0]
    views = [key for key in experiment.tags if key.startswith("mlflow.sharedViewState.")]
    named = [key for key in views if "digits-convnet" in experiment.tags[key]] or views
    view = named[0].removeprefix("mlflow.sharedViewState.") if named else ""
    # Without the workflow, MLflow opens its pages for language models.
    share = f"&viewStateShareKey={view}" if view else ""
    return f"/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning{share}"


def _wait_for(address: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"{address} does not answer")


@contextmanager
def _page(width: int, height: int) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


def _chromium() -> str:
    for place in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"):
        if Path(place).exists():
            return place
    raise SystemExit("the pictures of pages need the system's Chromium: apt-get install chromium")


def _save(page: Page, path: Path) -> None:
    """Saves what the page shows, in 128 colours, which tables and curves do with."""
    import io

    from PIL import Image

    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
