"""What passes between ``runner`` and the ``process`` it starts, by files in the run's directory."""

from __future__ import annotations

#: A ``CheckRequest``, written before the word to begin.
REQUEST = "request.json"
#: A JSON object a line: ``{"begun": id}`` or a ``CheckResult``.
RESULTS = "results.jsonl"
#: Whatever the process says, for a person.
LOG = "log.txt"
#: The word, on standard input.
BEGIN = b"begin\n"
