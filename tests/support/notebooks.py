"""Notebooks that tests run in a kernel of their own, as Jupyter does."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from programs import REPOSITORY

# A cell may hold a whole small search, on a machine with other work.
TIMEOUT_S = 1500
NOT_KEPT = "not-kept"
PLOTLY = "application/vnd.plotly.v1+json"


def run_cells(*cells: str, folder: Path, allow_errors: bool = False, interrupt_when: Callable[[], bool] | None = None
              ) -> Any:  # fmt: skip
    """Runs cells one after the other, and returns the notebook with its outputs.

    Args:
        cells: The code of each cell.
        folder: The working folder of the kernel.
        allow_errors: Go on after a cell that fails.
        interrupt_when: Asked again and again; once it says yes, the kernel is interrupted as Jupyter's button does.
    """
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    return run_notebook(notebook, folder, allow_errors=allow_errors, interrupt_when=interrupt_when)


def run_notebook(
    notebook: Any, folder: Path, *, allow_errors: bool = False, interrupt_when: Callable[[], bool] | None = None
) -> Any:
    """Runs a notebook in its working folder; see `run_cells`."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        dict.fromkeys([str(REPOSITORY / "src"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    )
    # The kernel speaks of arguments, whatever this process was told.
    os.environ.pop("APERTUNE_TONGUE", None)
    client = nbclient.NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )
    if interrupt_when is not None:
        threading.Thread(target=_interrupt, args=(client, interrupt_when), daemon=True).start()
    return client.execute()


def _interrupt(client: Any, when: Callable[[], bool]) -> None:
    while not when():
        time.sleep(0.1)
    os.killpg(os.getpgid(client.km.provisioner.pid), signal.SIGINT)


def pages(notebook: Any, cell: int) -> list[str]:
    """Returns the HTML outputs of a cell, in order."""
    outputs = notebook.cells[cell].get("outputs", [])
    return [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]


def add_pictures(notebook: Any) -> None:
    """Gives each plotly figure a picture, which is shown where plotly is not, as on GitHub and on the site."""
    import plotly.io
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 480})
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                data = output.get("data", {})
                if PLOTLY in data:
                    figure = plotly.io.from_json(json.dumps(data[PLOTLY]), skip_invalid=True)
                    page.set_content(figure.to_html(default_width="780px", default_height="460px"))
                    page.wait_for_selector(".main-svg")
                    picture = page.locator(".plotly-graph-div").screenshot()
                    data["image/png"] = base64.b64encode(picture).decode("ascii")
        browser.close()


def main() -> None:
    """Runs notebooks in this folder, and keeps them with their new outputs: notebooks.py FILE...

    A cell with the tag `not-kept` is kept without, since it shows pictures that are not ours to publish.
    """
    import nbformat

    for name in sys.argv[1:]:
        file = Path(name).resolve()
        done = run_notebook(nbformat.read(file, 4), Path.cwd())
        for cell in done.cells:
            # Times of execution differ from run to run, and TensorFlow tells of the processors that it finds.
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                hidden = NOT_KEPT in cell.metadata.get("tags", ())
                cell.outputs = [] if hidden else [o for o in cell.outputs if o.get("name") != "stderr"]
        add_pictures(done)
        nbformat.write(done, file)


if __name__ == "__main__":
    main()
