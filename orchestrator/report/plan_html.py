"""A preview → one HTML page that a change board can read, print and sign.

Decides only how things look. Everything is escaped, and the page forbids itself to load or run
anything.
"""

from __future__ import annotations

from datetime import UTC

import jinja2

from orchestrator import resources
from orchestrator.plan.model import Plan
from orchestrator.plan.preview import Group, Preview, changes
from orchestrator.plan.preview_lines import counted, duration, outage, room, together
from orchestrator.plan.room import mib

#: Hosts that are told one by one; of more, a group is told as a whole, with their names.
MOST_ROWS = 60


def to_html(plan: Plan, shown: Preview) -> str:
    """The plan as one HTML document."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        changes=changes, counted=counted, duration=duration, mib=mib, outage=outage, room=room,
        together=together, by_facility=_by_facility,
    )  # fmt: skip
    return env.get_template("plan.html.j2").render(
        plan=plan,
        most=MOST_ROWS,
        shown=shown,
        made=f"{plan.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        hosts=sum(len(group.hosts) for group in shown.groups),
        facilities=len({one.facility for group in shown.groups for one in group.hosts}),
        refused=len({name for one in shown.refusals for name in one.facilities}),
    )


def _by_facility(group: Group) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for one in group.hosts:
        places.setdefault(one.facility, []).append(one.host)
    return places
