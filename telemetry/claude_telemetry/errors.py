"""Every exception that a user of claude-telemetry can catch.

ClaudeTelemetryError
├── SettingsError             a setting has a value that cannot be used; the message says which, and what to give
├── LabelError                `label()` was given something that cannot be a label
├── CollectorError            a collector could not be reached, or did not understand
│   └── QuestionRefusedError  the collector will not run this SQL: not one read-only SELECT, or past its limits
├── BillingError              what Anthropic bills could not be fetched; the message says why, and what to do
├── PriceBookError            the price book cannot be read
└── MissingExtraError         a part's packages are not installed; the message is the command that installs them

Inside an instrumented Claude call nothing of this is ever raised.
"""

from __future__ import annotations


class ClaudeTelemetryError(Exception):
    """The base of every exception here."""


class SettingsError(ClaudeTelemetryError, ValueError):
    """A setting has a value that cannot be used."""


class LabelError(ClaudeTelemetryError, TypeError):
    """`label()` was given something that cannot be a label."""


class CollectorError(ClaudeTelemetryError):
    """A collector could not be reached, or did not understand."""


class QuestionRefusedError(CollectorError):
    """The collector will not run this SQL."""


class BillingError(ClaudeTelemetryError):
    """What Anthropic bills could not be fetched."""


class PriceBookError(ClaudeTelemetryError, ValueError):
    """The price book cannot be read."""


class MissingExtraError(ClaudeTelemetryError, ImportError):
    """A part was asked for whose packages are not installed."""
