"""What evaluation leaves in the folder of a run: its settings, where its numbers come from, and the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import METRICS, PROVENANCE, SPEC
from cfm.files import write_json


def save_run(run: Path, spec: str, records: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Write `spec` (JSON), the records of the stages, and last, since they tell that all is done, results by solver."""
    write_json(run / SPEC, json.loads(spec))
    write_json(run / PROVENANCE, records)
    write_json(run / METRICS, results)
