"""Joins ports and adapters, the only place that knows both.

``survey`` looks, ``controller`` acts.
"""
