"""Stand-ins for the two services at the far ends: the Claude API and Slack.

They answer on loopback, in the formats of the real ones, and do as they are told; nothing leaves the machine.
Standard library only, so that they run wherever the core runs.
"""

from claude_telemetry.fake.claude import FakeClaude
from claude_telemetry.fake.delivery import Delivery
from claude_telemetry.fake.ledger import BatchResult, ModelRequest, Received, Served
from claude_telemetry.fake.sessions import Turn
from claude_telemetry.fake.slack import FakeSlack

__all__ = ["BatchResult", "Delivery", "FakeClaude", "FakeSlack", "ModelRequest", "Received", "Served", "Turn"]
