"""Where the sample files of meters are; they are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

SAMPLES = Path(os.environ.get("METER_SAMPLES", Path(__file__).parents[3] / "shared" / "samples"))
