"""The way of the README from a folder of pictures to a served model, typed as it stands there into a shell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model_server import free_port, wait_for
from PIL import Image
from programs import REPOSITORY

pytestmark = pytest.mark.ci

SECTION = "Your own pictures, from nothing to a served model"
# The same way with less training.
SHORTER = {
    "--preset quick": "--trials 1 --epochs 2 --image-size 16 --workers 1 --fix blocks=1 --fix filters=16",
    "promote photographs": "promote photographs --seeds 1 --workers 1 --force",
}


def shell(script: str) -> subprocess.Popen[str]:
    """Starts a script as a terminal in which the environment is activated would."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": places, "PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def typed(script: str) -> str:
    """Returns the output of a script, which must succeed."""
    process = shell(script)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


@pytest.mark.timeout(1800)
def test_the_readme_leads_from_pictures_to_a_served_model() -> None:
    """Each command of the section does its work, and the server names the class of a picture."""
    random = np.random.default_rng(0)
    for name, level in (("cat", 40), ("dog", 200)):
        Path("photographs", name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(level - 40, level + 40, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(f"photographs/{name}/{number}.png")
    Image.new("RGB", (64, 48), (200, 200, 200)).save("picture.jpg")

    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    for words, fewer in SHORTER.items():
        assert words in section
        section = section.replace(words, fewer)
    port = free_port()
    assert section.count("5001") == 2
    look, promote, serve, ask, export = re.findall(r"```sh\n(.*?)```", section.replace("5001", str(port)), re.DOTALL)

    assert "trial" in typed(look)
    assert "is the champion" in typed(promote)
    assert "model.onnx" in typed(export)
    server = shell(serve)
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server, lambda: server.communicate()[0])
        (answer,) = json.loads(typed(ask))["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)
    assert answer["name"] in ("cat", "dog")
