"""Where the spans of our own capture lie in the bodies of a batch. What lies elsewhere is left to the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TypeGuard

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry_collector.decode import foreign, reference
from claude_telemetry_collector.decode.anthropic_sdk import SCOPE_PREFIX
from claude_telemetry_collector.decode.columnar.wire import Data, Ints
from claude_telemetry_collector.decode.door import MAX_TEXT
from claude_telemetry_collector.decode.scopes import SPAN, OddError, Scope, listed, request_of, scopes_in

_LARGEST_HEAD = 16_384
"""What a resource or a scope says about itself is remembered by its bytes, if it is no longer than this."""
Body = tuple[bytes, datetime]
"""As it was received, and when."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Whose spans they are."""

    service: str | None
    environment: str | None
    instance: str | None
    others: Mapping[str, object]
    """What goes with the attributes that are no facts."""


@dataclass(frozen=True, slots=True)
class Place:
    """A scope within a body."""

    group: bytes
    """What stands beside the scopes of its group: the resource."""
    scope: bytes
    """What stands beside the spans: the scope itself."""
    resource: Resource
    received_at: datetime

    def body(self, spans: Iterable[bytes]) -> bytes:
        """A request with these `spans` in the same place."""
        return request_of(self.group, self.scope + b"".join(listed(SPAN, span) for span in spans))


@dataclass(slots=True)
class Found:
    """What lies where."""

    places: list[Place] = field(default_factory=list[Place])
    starts: list[Ints] = field(default_factory=list[Ints])
    ends: list[Ints] = field(default_factory=list[Ints])
    """By place: where each span is in the joined bodies."""
    others: list[Body] = field(default_factory=list[Body])
    """Requests with everything else."""

    def place_of(self) -> Ints:
        """By span: the number of its place."""
        return np.repeat(np.arange(len(self.places)), [len(spans) for spans in self.starts])


def found_in(bodies: Sequence[Body]) -> tuple[Data, Found]:
    """The joined bodies, and what is ours in them."""
    found = Found()
    base = 0
    for body, received_at in bodies:
        try:
            scopes = scopes_in(body)
            told = [(scope, _resource(scope)) for scope in scopes]
        except OddError:
            found.others.append((body, received_at))
        else:
            for scope, resource in told:
                if resource is not None:
                    found.places.append(Place(scope.group, scope.head, resource, received_at))
                    found.starts.append(np.array(scope.start, dtype=np.int64) + base)
                    found.ends.append(np.array(scope.end, dtype=np.int64) + base)
                else:
                    found.others.append((request_of(scope.group, body[scope.begin : scope.until]), received_at))
        base += len(body)
    return Data([body for body, _ in bodies]), found


def _resource(scope: Scope) -> Resource | None:
    """Whose spans these are, if they are our capture's. Raises `OddError`."""
    if max(len(scope.group), len(scope.head)) > _LARGEST_HEAD or not _is_ours(scope.head):
        return None
    return resource_of(scope.group)


@lru_cache(maxsize=1024)
def _is_ours(scope: bytes) -> bool:
    """Whether our capture writes spans in this scope, or completes those that are there."""
    try:
        name = ScopeSpans.FromString(scope).scope.name
    except DecodeError:
        raise OddError from None
    return name == SCOPE or name.startswith(SCOPE_PREFIX)


@lru_cache(maxsize=1024)
def resource_of(group: bytes) -> Resource | None:
    """What a group says of its resource; `None` for one whose facts are not to be believed as they stand."""
    try:
        told = reference.attributes_in(ResourceSpans.FromString(group).resource.attributes)
    except DecodeError:
        raise OddError from None
    others = dict(told)
    older = others.pop("deployment.environment", None)
    service = others.pop("service.name", None)
    environment = others.pop("deployment.environment.name", older)
    if _is_name(service) and _is_name(environment):
        return Resource(service, environment, foreign.instance_of(told), others)
    return None


def _is_name(value: object) -> TypeGuard[str | None]:
    return value is None or (isinstance(value, str) and 0 < len(value) <= MAX_TEXT)
