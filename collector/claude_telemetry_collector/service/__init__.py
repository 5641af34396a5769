"""The processes of `claude-telemetry collect`.

A *supervisor* starts two children and keeps them going: the *receiver* takes bodies in, the *store* lands them, answers
questions and watches the rules. They are apart so that a question or a landing never delays an acknowledgement, and
so that the receiver goes on while the store is restarted.
"""

from __future__ import annotations
