"""What nft loads for the door: one table, in one transaction, in place of what was there.

Where intake is parked, what is new from other machines is turned to the spool (NAT, so that it
answers under the product's own port). The spool's port itself is refused: nobody comes to it but
through the door.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, List, Tuple

TABLE = "inet wardship"
REFUSE = "reject with tcp reset"
BEGINS = "tcp flags & (syn | ack) == syn"


@dataclass(frozen=True)
class Turned:
    """Where connections to the product's ports are turned to, and as whom the spool runs."""

    ports: Tuple[Tuple[int, int], ...]
    uid: int


def shut(ports: Iterable[int], own: Iterable[int], turned: "Turned | None" = None) -> str:
    """Nobody reaches ``ports`` but root, the spool and the uids in ``own``, over loopback."""
    these = _set(ports)
    uids = {0, *own, *([turned.uid] if turned else [])}
    return _table(
        *_spool(turned, takes_new=True),
        f"""  chain from_outside {{
    type filter hook input priority -10; policy accept;
    iif != lo tcp dport {these} {REFUSE}
  }}""",
        f"""  chain from_here {{
    type filter hook output priority -10; policy accept;
    oif lo tcp dport {these} meta skuid != {_set(uids)} {REFUSE}
    oif != lo tcp sport {these} tcp flags & rst != rst {REFUSE}
  }}""",
    )


def nobody_new(ports: Iterable[int], turned: "Turned | None" = None) -> str:
    """Those who are in may end: no connection to ``ports`` begins from outside."""
    return _table(
        *_spool(turned, takes_new=True),
        f"""  chain from_outside {{
    type filter hook input priority -10; policy accept;
    iif != lo tcp dport {_set(ports)} {BEGINS} {REFUSE}
  }}""",
    )


def turned_back(turned: Turned) -> str:
    """Who is new reaches the product, who is with the spool stays there until he leaves."""
    return _table(*_spool(turned, takes_new=False))


def _spool(turned: "Turned | None", *, takes_new: bool) -> List[str]:
    if turned is None:
        return []
    # Only what begins: who is in, from before connections were tracked, stays where he is. Only
    # what is meant for this host: others' traffic may be forwarded by it.
    turns = [
        f"    iif != lo fib daddr type local tcp dport {port} {BEGINS} redirect to :{to}"
        for port, to in turned.ports
    ]
    guards = [
        f"    iif != lo tcp dport {to} ct original proto-dst != {port} {REFUSE}"
        for port, to in turned.ports
    ]
    # The chain stays when it turns nobody new: without one the kernel forgets who was turned.
    return [
        "\n".join(
            [
                "  chain to_spool {",
                "    type nat hook prerouting priority -100; policy accept;",
                *(turns if takes_new else []),
                "  }",
            ]
        ),
        "\n".join(
            [
                "  chain only_through_the_door {",
                "    type filter hook input priority -20; policy accept;",
                *guards,
                "  }",
            ]
        ),
    ]


def _table(*chains: str) -> str:
    inside = "\n".join(chains)
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{inside}\n}}\n"


def _set(numbers: Iterable[int]) -> str:
    return "{ " + ", ".join(str(number) for number in sorted(set(numbers))) + " }"
