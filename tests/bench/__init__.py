"""Benchmarks: each figure beside a baseline that was measured in turn with it (docs/benchmarks.md).

No part of ``make test``; only that they run is tested, small, without looking at a time.
"""
