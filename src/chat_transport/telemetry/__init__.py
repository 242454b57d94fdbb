"""OpenTelemetry spans and metrics, where you ask for them: extra `otel`."""

from __future__ import annotations

from .names import DEVELOPMENT, V1_36, Schema
from .telemetry import Telemetry

__all__ = ["DEVELOPMENT", "V1_36", "Schema", "Telemetry"]
