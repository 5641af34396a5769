"""Bodies of responses to the events in them, as the bytes arrive, whatever way they are cut into chunks.

An *event* here is one JSON object: of an event stream, of a frame, of a line, or the whole of a JSON body.
"""

from claude_telemetry.capture.wire.aws_frames import AwsFrames
from claude_telemetry.capture.wire.encoding import decoder_for
from claude_telemetry.capture.wire.json_body import JsonBody
from claude_telemetry.capture.wire.jsonl import JsonLines
from claude_telemetry.capture.wire.parser import BodyParser, parser_for
from claude_telemetry.capture.wire.sse import ONE_DELTA, SseBody

__all__ = ["ONE_DELTA", "AwsFrames", "BodyParser", "JsonBody", "JsonLines", "SseBody", "decoder_for", "parser_for"]
