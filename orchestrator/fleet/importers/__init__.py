"""Facilities from a ministry's own lists: spreadsheets, NetBox. See docs/import.md and ADR 6."""
