"""A script that parses its command line when it is imported."""

import argparse
from typing import Any

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
arguments = parser.parse_args()


def build(hp: Any) -> Any:
    raise AssertionError("never imported")
