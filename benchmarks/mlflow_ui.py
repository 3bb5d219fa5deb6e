"""Measures how fast MLflow's UI shows a study of many trials: runs table, compare page, a run's curves.

    uv run python benchmarks/mlflow_ui.py [--trials 200] [--epochs 50] [--rounds 3]

Sends the trials to a new local store through the outbox and the sender, as a search does. Then opens the store in the
system's Chromium, headless, each time with an empty cache. Times run from entering the address to the page being drawn
in full.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from measurements import Column, Table, arguments_of, tell
from mlflow import MlflowClient
from playwright.sync_api import Browser, Page, sync_playwright

from apertune.search.sending.sender import Sender
from apertune.search.settings import make_home
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox
from apertune.search.tracking.records import MetricsLogged, Record, RunEnded, RunStarted, TagsSet
from apertune.search.tracking.saved_views import every_study_view

EPOCH_METRICS = (
    "loss", "accuracy", "learning_rate", "val_loss", "val_accuracy", "val_macro_f1", "val_balanced_accuracy",
    "val_top3_accuracy",
)  # fmt: skip
SUMMARY = ("objective", "best_accuracy", "best_macro_f1", "best_log_loss", "best_epoch", "trial_seconds", "parameters")
NUMBERS, WORDS = 20, 20
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = arguments_of(parser)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        began = time.monotonic()
        _tell(arguments.trials, arguments.epochs)
        table = Table(
            "mlflow-ui", Column("what", ""), Column("seconds", "median", "{:.1f} s"), Column("each", "each", "{:.1f}")
        )
        sent = f"sending {arguments.trials} trials of {arguments.epochs} epochs to MLflow"
        table.add(what=sent, seconds=time.monotonic() - began)
        with _server() as url, sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            _measure(browser, url, arguments.rounds, table)
    tell(table)


def _tell(trials: int, epochs: int) -> None:
    home = make_home({})
    path = home.study_folder("many") / "outbox.jsonl"
    draw = random.Random(0)
    with Outbox(path) as outbox:
        outbox.put(RunStarted("search", "many", "search many", 1, tags={"kind": "search"}), every_study_view("many"))
        for number in range(trials):
            outbox.put(*_trial(number, epochs, draw))
    sender = Sender(path, MlflowTracker(home.tracking_uri, home.artifacts), is_refused)
    if not sender.send():
        raise SystemExit("MLflow did not take everything")


def _trial(number: int, epochs: int, draw: random.Random) -> Iterator[Record]:
    key, began = f"trial-{number}", 1_700_000_000_000 + number * 60_000
    params = {f"number_{n}": f"{draw.random():.6g}" for n in range(NUMBERS)}
    params |= {f"word_{n}": draw.choice(["plain", "separable", "none"]) for n in range(WORDS)}
    tags = {"kind": "trial", "study": "many", "space": "convnet", "objective": "accuracy", "trial": str(number)}
    yield RunStarted(key, "many", f"many #{number}", began, "search", tags, params)
    for epoch in range(1, epochs + 1):
        values = tuple((name, draw.random(), epoch, began + epoch * 1000) for name in EPOCH_METRICS)
        yield MetricsLogged(key, values)
    yield MetricsLogged(key, tuple((name, draw.random(), 0, began + 59_000) for name in SUMMARY))
    yield TagsSet(key, {"state": "complete"})
    yield RunEnded(key, "FINISHED", began + 59_000)


@contextmanager
def _server() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "apertune", "ui", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str) -> None:
    for _ in range(450):
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("MLflow's UI did not answer")


def _measure(browser: Browser, url: str, rounds: int, into: Table) -> None:
    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("many").experiment_id
    runs = [run.info.run_id for run in client.search_runs([experiment], "tags.kind = 'trial'")]

    def table(page: Page) -> None:
        page.goto(f"{url}/#/experiments/{experiment}/runs?viewStateShareKey=apertune")
        page.wait_for_function("[...document.querySelectorAll('a')].filter(a => a.innerText.startsWith('many #'))[19]")

    def curves(page: Page) -> None:
        page.goto(f"{url}/#/experiments/{experiment}/runs/{runs[0]}/model-metrics")
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 4")

    def compare(count: int) -> Callable[[Page], None]:
        def open_page(page: Page) -> None:
            words = f"runs={json.dumps(runs[:count])}&experiments={json.dumps([experiment])}"
            page.goto(f"{url}/#/compare-runs?{words}")
            page.locator(".js-plotly-plot .parcoords").first.wait_for()

        return open_page

    pages: dict[str, Callable[[Page], Any]] = {"runs table": table, "one run's curves": curves}
    pages |= {f"compare page, {count} runs": compare(count) for count in sorted({10, 50, len(runs)})}
    for name, open_page in pages.items():
        times = [_seconds(browser, open_page) for _ in range(rounds)]
        into.add(what=name, seconds=statistics.median(times), each=times)


def _seconds(browser: Browser, open_page: Callable[[Page], Any]) -> float:
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.set_default_timeout(120_000)
    page = context.new_page()
    began = time.monotonic()
    open_page(page)
    taken = time.monotonic() - began
    context.close()
    return taken


if __name__ == "__main__":
    main()
