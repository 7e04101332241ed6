"""Gates that a fleet or a facility sets: clock, traffic, hold, backup, certificates, lists. Pure.

What is not declared is absent; what is declared and was not learned is a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.plan.gates import Prospect

Reason = tuple[str, str, str]


def clock(p: Prospect) -> Iterator[Reason]:
    """The host's clock is the controller's, within what is declared."""
    limit, found = p.settings.clock_skew_seconds, p.survey.clock
    hint = f"set the clock there (timedatectl), then: wardship survey {p.facility}"
    if found is None:
        yield "clock", "the host's clock could not be read", f"wardship survey {p.facility}"
    elif abs(found.offset) + found.give_or_take <= limit:
        return
    elif abs(found.offset) - found.give_or_take > limit:
        way = "ahead of" if found.offset > 0 else "behind"
        because = f"the clock is {_span(abs(found.offset))} {way} the controller's"
        yield "clock", f"{because}, {limit:g} s are allowed", hint
    else:
        slow = f"the line answers in {2 * found.give_or_take:.1f} s"
        because = f"{slow}: whether the clock is right within {limit:g} s cannot be known"
        yield "clock", because, "try again, or declare more under gates: clock_skew_seconds"


def quiet(p: Prospect) -> Iterator[Reason]:
    """Nobody is connected, and nothing came in the last minutes."""
    minutes, found = p.settings.quiet_minutes, p.survey.traffic
    if minutes is None:
        return
    hint = f"wait until it is quiet, then: wardship plan {p.facility}"
    if found is None or found.received_ago is None:
        yield "quiet", "whether somebody uses it now is not known", f"wardship survey {p.facility}"
        return
    if found.peers:
        yield "quiet", f"connected now: {', '.join(found.peers)}", hint
    if found.received_ago < minutes * 60:
        because = (
            f"an object came {_span(found.received_ago)} ago, declared are {minutes} quiet min"
        )
        yield "quiet", because, hint


def hold(p: Prospect) -> Iterator[Reason]:
    """The facility has not laid a hold on its own host."""
    if found := p.survey.hold:
        because = f"the facility holds this host since {found.since:%Y-%m-%d %H:%M} UTC"
        hint = f"ask there; they lift it: rm /etc/wardship/hold on {p.host}"
        yield "hold", f'{because}: "{found.because}" (file of {found.by})', hint


def backup(p: Prospect) -> Iterator[Reason]:
    """A backup off the host, not older than declared, that can be read."""
    gate = p.settings.backup
    if gate is None:
        return
    hint = f"make one and read it back: wardship backup stamp {p.facility} {p.host} FILE"
    if p.backup is None:
        yield "backup", "nobody looked whether there is a backup", f"wardship plan {p.facility}"
        return
    if p.backup.problem:
        yield "backup", f"no backup that can be read: {p.backup.problem}", hint
    if (taken := p.backup.taken_at) is None:
        return
    age = p.now - taken
    if age > timedelta(hours=gate.max_age_hours):
        because = f"the last backup is of {taken:%Y-%m-%d %H:%M} UTC, {_span(age.total_seconds())}"
        yield "backup", f"{because} old; at most {gate.max_age_hours} h are allowed", hint
    elif age < -timedelta(minutes=5):
        yield (
            "backup",
            f"the last backup is dated {taken:%Y-%m-%d %H:%M} UTC, a time to come",
            hint,
        )


def certificates(p: Prospect) -> Iterator[Reason]:
    """Every certificate of a declared DICOM TLS is in force, and for as long as is declared."""
    if p.dicom is None or p.dicom.tls is None:
        return
    again = f"wardship survey {p.facility}"
    shown = next((one for one in p.survey.certificates if one.service == "dicom"), None)
    if shown is None:
        yield "certificate", "which certificate the archive shows is not known", again
    else:
        what = f"the archive's certificate ({shown.path} on {p.host})"
        yield from _in_force(p, what, shown.not_before, shown.not_after)
    if p.certificates is None:
        yield "certificate", "nobody looked at the declared certificates", again
        return
    for one in p.certificates:
        if one.problem or not (one.not_before and one.not_after):
            yield "certificate", f"{one.file}: {one.problem}", "wardship fleet check"
        elif one.whose != "archive":
            what = f"the {one.whose}'s certificate ({one.file})"
            yield from _in_force(p, what, one.not_before, one.not_after)
        elif shown and shown.fingerprint != one.fingerprint:
            because = f"{shown.path} on {p.host} is another certificate than {one.file}"
            hint = f"if it was renewed there, copy it to {one.file}; else put the right one back"
            yield "certificate", because, hint


def _in_force(p: Prospect, what: str, since: datetime, until: datetime) -> Iterator[Reason]:
    hint = f"renew it, declare the new one, then: wardship survey {p.facility}"
    days = p.settings.certificate_days
    if until <= p.now:
        yield "certificate", f"{what} expired on {until:%Y-%m-%d %H:%M} UTC", hint
    elif since > p.now:
        yield "certificate", f"{what} is in force only from {since:%Y-%m-%d %H:%M} UTC", hint
    elif days is not None and until - p.now < timedelta(days=days):
        left = _span((until - p.now).total_seconds())
        because = f"{what} expires on {until:%Y-%m-%d %H:%M} UTC, in {left}; declared are {days}"
        yield "certificate", f"{because} days", hint


def checklist(p: Prospect) -> Iterator[Reason]:
    """Every item of the product's checklist is confirmed for this host, and still holds."""
    today = _day(p.now)
    for name, item in p.settings.checklists.get(p.product_name, {}).items():
        hint = f"look, then in facilities/{p.facility}.yml, host {p.host}: gates: confirmed: {name}"
        confirmed = p.confirmed.get(name)
        if confirmed is None:
            yield "checklist", f"nobody confirmed {name}: {item.asks}", f"{hint}: {today}"
        elif confirmed > today:
            yield "checklist", f"{name} is confirmed for {confirmed}, a day to come", hint
        elif item.valid_days is not None and (today - confirmed).days > item.valid_days:
            because = f"{name} was confirmed on {confirmed} and holds {item.valid_days} days"
            yield "checklist", f"{because}: {item.asks}", f"{hint}: {today}"


def _day(moment: datetime) -> date:
    return moment.date()


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


RULES = (clock, quiet, hold, backup, certificates, checklist)
