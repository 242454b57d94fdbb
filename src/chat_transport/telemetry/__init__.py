"""OpenTelemetry spans and metrics, where you ask for them: extra `otel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._extras import lazy_names

if TYPE_CHECKING:
    from .names import DEVELOPMENT, V1_36, Schema
    from .telemetry import Telemetry

__all__ = ["DEVELOPMENT", "V1_36", "Schema", "Telemetry"]

_HOMES = {"DEVELOPMENT": "names", "V1_36": "names", "Schema": "names", "Telemetry": "telemetry"}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
