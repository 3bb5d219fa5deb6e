"""Log files without credentials."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging
from apertune.logs import log_to_standard_error
from apertune.text import remember_address
remember_address("http://me:s3'cret@server")
log_to_standard_error()
try:
    raise ValueError("POST to 'http://other:s3cret@host/api' failed")
except ValueError:
    logging.getLogger("mlflow").exception("cannot send with password s3'cret")
raise RuntimeError("http://me:s3'cret@server does not answer")
"""


def test_a_log_holds_no_credentials() -> None:
    """Messages, logged tracebacks and the traceback of an uncaught error lose the credentials and keep the rest."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "s3" not in done.stderr.partition("-c")[0]
    assert "ValueError: POST to 'http://***@host/api' failed" in done.stderr
    assert "cannot send with password ***" in done.stderr
    assert "RuntimeError: http://***@server does not answer" in done.stderr
    assert "cret" not in done.stderr
