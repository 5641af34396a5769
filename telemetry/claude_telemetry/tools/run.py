"""One run of a tool, from its begin to its outcome.

A run has a span of its own, unless there is one for it already: the SDK's tool runner made one, or the application
opened one with `tool_run` around a function that is itself under `@tool`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from claude_telemetry.asked import CallRef, asked_here, asker_of
from claude_telemetry.guard import guarded
from claude_telemetry.tool_spans import claim, finish, started
from claude_telemetry.tools.policy import Policy, recorded
from claude_telemetry.tools.source import source

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

T = TypeVar("T")

INPUT, OUTPUT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"

_running: ContextVar[tool_run | None] = ContextVar("claude_telemetry_tool_run", default=None)


class tool_run:  # noqa: N801 - reads as a statement: `with tool_run("get_weather") as run:`
    """Records what is done in a `with` block as one run of the tool `name`. For one block.

    `tool_use_id` is the id of the `tool_use` block that asked for it. Without one, the last call made here is taken for
    the one that asked, if it asked for a tool of this name. An exception passes through, and makes the outcome `error`.
    `input` is recorded only if `record_input` says so, and what `output` is told only if `record_output` does.

    Does nothing unless the process is instrumented. No method raises.
    """

    __slots__ = (
        "_awaits_function",
        "_before",
        "_failure",
        "_input",
        "_outer",
        "_own",
        "_record_input",
        "_record_output",
        "_span",
        "_whole",
        "name",
        "tool_use_id",
    )

    def __init__(
        self,
        name: str,
        *,
        tool_use_id: str | None = None,
        input: object = None,  # noqa: A002 - what everybody calls it
        record_input: Policy = False,
        record_output: Policy = False,
    ) -> None:
        self.name = name
        self.tool_use_id = tool_use_id
        self._input = input
        self._record_input = record_input
        self._record_output = record_output
        self._awaits_function = True  # whether a function of this name, run in the block, is this run
        self._span: Span | None = None
        self._own = False
        self._whole: tool_run | None = None  # the run that this one is the function of
        self._outer: tool_run | None = None
        self._failure: str | None = None  # an error's type, or "cancelled"
        self._before: Context | None = None

    @classmethod
    def of_function(cls, name: str, inputs: object, record_input: Policy, record_output: Policy) -> Self:
        """A run of a function under `@tool`. It may turn out to be part of a run that is recorded already."""
        run = cls(name, input=inputs, record_input=record_input, record_output=record_output)
        run._awaits_function = False
        return run

    def __enter__(self) -> Self:
        self._begin()
        self._make_current()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._make_former_current()
        self._end(error)

    def output(self, value: T) -> T:
        """Gives `value` back. It is recorded only if `record_output` says so."""
        if self._span is not None and self._record_output is not False:
            self._record(OUTPUT, self._record_output, value)
        return value

    def fail(self, error: BaseException | str = "tool_error") -> None:
        """The tool failed, without an exception that leaves the block. Of an exception its type is recorded, of a text
        the text, if it is one word such as `city_unknown`."""
        if isinstance(error, BaseException):
            self._failure = type(error).__name__ if isinstance(error, Exception) else "cancelled"
        else:
            from claude_telemetry.record.event import is_word

            self._failure = error if is_word(error) else "tool_error"

    # The two halves of a `with` block. A generator needs them apart: it lasts longer than it is current.

    @contextmanager
    def ends(self) -> Generator[None]:
        """The run begins and ends with the block."""
        self._begin()
        try:
            yield
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)

    @contextmanager
    def current(self) -> Generator[None]:
        """What happens in the block is part of the run: calls that are made in it nest under its span."""
        self._make_current()
        try:
            yield
        finally:
            self._make_former_current()

    def _begin(self) -> None:
        with guarded("begin a tool run"):
            self._seek_span()
        if self._span is not None and self._record_input is not False:
            self._record(INPUT, self._record_input, self._input)

    def _end(self, error: BaseException | None) -> None:
        """`error` is what the application gets instead of a result."""
        if self._span is None:
            return
        with guarded("end a tool run"):
            if error is not None:
                self.fail(error)
            span, self._span = self._span, None
            if self._whole is None:
                finish(span, self._failure, own=self._own)
            elif self._failure is not None:
                self._whole.fail(self._failure)

    def _seek_span(self) -> None:
        """The span that there is for this run, or one of its own."""
        from opentelemetry import trace

        whole = _running.get()
        span = whole.taken_by(self) if whole is not None and not self._awaits_function else None
        if span is not None:
            self._whole, self._span = whole, span
            return
        here = source()
        if here is None:
            return
        tracer, own_labels = here
        current = trace.get_current_span()
        if claim(current, self.name):
            self._span = current
            return
        asker, tool_use_id = self._asker()
        self._own = True
        self._span = started(tracer, self.name, tool_use_id, asker, own_labels)

    def taken_by(self, function: tool_run) -> Span | None:
        """This run's span, for the function that it was opened around: the first of the same name in it."""
        if not self._awaits_function or self.name != function.name:
            return None
        self._awaits_function = False
        return self._span

    def _asker(self) -> tuple[CallRef | None, str | None]:
        if self.tool_use_id is not None:
            return asker_of(self.tool_use_id), self.tool_use_id
        # What a tool calls in its turn was not asked for by Claude, whatever it is called.
        return asked_here(self.name) if _running.get() is None else (None, None)

    def _record(self, attribute: str, policy: Policy, value: object) -> None:
        with guarded("record what a tool was given or gave"):
            text = recorded(policy, value)
            if text is not None and self._span is not None:
                self._span.set_attribute(attribute, text)

    # Kept without tokens: a block may be left in another context than it was entered in, and OpenTelemetry would then
    # log an error in the application's name.

    def _make_current(self) -> None:
        if self._span is None or self._whole is not None:
            return
        with guarded("make a tool run current"):
            from opentelemetry import context, trace

            self._outer = _running.get()
            _running.set(self)
            if self._own:
                self._before = context.get_current()
                context.attach(trace.set_span_in_context(self._span))

    def _make_former_current(self) -> None:
        if self._span is None or self._whole is not None:
            return
        with guarded("leave a tool run"):
            from opentelemetry import context

            if _running.get() is self:
                _running.set(self._outer)
                if self._before is not None:
                    context.attach(self._before)
            self._outer = self._before = None
