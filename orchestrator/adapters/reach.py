"""What ssh's own words mean to the person who has to act on them. Pure.

ssh tells of a strange host key in fourteen lines, of an unknown one in two, and Ansible wraps both:
here each becomes one sentence that says what to do. What is not known here is told as ssh said it.
"""

from __future__ import annotations

import re

_SHOWN = re.compile(r"SHA256:[A-Za-z0-9+/]{20,}")
_WRAPPED = re.compile(r"^.*Make sure this host can be reached over ssh:\s*", re.DOTALL)
#: Longest sentence, in characters.
_LONGEST = 500


def why_unreachable(host: str, said: str) -> str:
    """One line: why a host cannot be spoken to, from what ssh (or Ansible about ssh) said."""
    if "HOST IDENTIFICATION HAS CHANGED" in said or "has changed and you have" in said:
        shown = _SHOWN.search(said)
        key = f" ({shown[0]})" if shown else ""
        return (
            f"{host} shows another host key{key} than the recorded one: it was reinstalled, or"
            " another machine is in its place; find out which, and if it is right:"
            f" wardship fleet trust {host} --replace"
        )
    if "host key is known for" in said:
        return f"no host key is recorded for {host}; compare it, then: wardship fleet trust {host}"
    if "Permission denied" in said:
        return (
            f"{host} does not let us in with this user and key: see ssh: user and key in the"
            " declaration, and the host's authorized_keys"
        )
    lines = [line.strip() for line in _WRAPPED.sub("", said).splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else ""
