"""Where tests find the checkout, and beside it the shared data, which some machines lack."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
