"""Ids of calls without a span: drawn from a source that is not the application's."""

from __future__ import annotations

import os
import random

import pytest
from opentelemetry.trace import INVALID_SPAN_CONTEXT

from claude_telemetry.emit import Ids, Pipeline


def drawn() -> Ids:
    return Pipeline.ids_without_span(INVALID_SPAN_CONTEXT)


def test_processes_that_seed_random_alike_make_calls_with_ids_of_their_own() -> None:
    """The collector would take those of the second for copies of the first's."""
    random.seed(7)
    first = drawn()
    random.seed(7)
    assert drawn() != first


def test_what_the_application_draws_stays_what_it_was() -> None:
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    assert [(drawn(), random.random())[1] for _ in range(3)] == expected


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # this process has threads, where newer Pythons warn
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_fork_draws_others_than_its_parent() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(drawn()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() != str(drawn())
