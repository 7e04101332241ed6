#!/usr/bin/python
"""Whether newproduct on a host may be changed now: every reason against it. Changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils import newproduct_product as product
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.newproduct_host import UNWRITTEN, ProblemError

DOCUMENTATION = r"""
module: newproduct_precheck
short_description: Refuse a change of newproduct with every reason
description: [Returns C(wardship.refusals), empty if there are none, and C(wardship.looked).]
options:
  change_dir: {type: path, required: true, description: [Directory of the change on the host.]}
  names: {type: dict, required: true, description: [What is where on this host.]}
  from_release: {type: str, required: true, description: [The release that must be current.]}
  to_release: {type: str, required: true, description: [The release that must be staged.]}
author: [wardship]
"""

SCRIPTS = ("stop", "migrate", "start", "census", "forget")


def written(_given):
    """Nothing of the role is left to write."""
    yield from UNWRITTEN


def staged(given):
    """The new release, its configuration and the scripts are there."""
    change, target = Path(given["change_dir"]), Path(given["names"]["root"], given["to_release"])
    if not target.is_dir():
        yield f"release {given['to_release']} is not staged in {target}"
    for name in SCRIPTS:
        if not os.access(change / "scripts" / name, os.X_OK):
            yield f"the host script {name} is not staged"
    if not (change / "files" / "newproduct" / "settings.json").is_file():
        yield "the new configuration is not staged"


def current(given):
    """The host still runs what the plan starts from."""
    link = Path(given["names"]["root"], "current")
    found = link.resolve().name
    if found != given["from_release"]:
        yield f"{link} leads to {found}, the change starts from {given['from_release']}"


def state_is_captured(given):
    """What the product writes lies where a snapshot sees it."""
    volumes = [Path(path).resolve() for path in given["names"]["volumes"].values()]
    for path in product.writes_to(given["names"]):
        real = Path(path).resolve()
        if not any(volume in (real, *real.parents) for volume in volumes):
            yield f"{path} is outside of every volume: a restore would not put it back"


def nothing_is_under_way(given):
    """Nothing is cut off by a stop."""
    yield from product.under_way(given["names"])


RULES = (written, staged, current, state_is_captured, nothing_is_under_way)


def asked(rule, given):
    """A rule's reasons; what could not be looked at is one too."""
    try:
        return list(rule(given))
    except (ProblemError, OSError, KeyError, ValueError) as error:
        return [f"{rule.__name__.replace('_', ' ')} could not be learned: {error}"]


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "change_dir": {"type": "path", "required": True},
            "names": {"type": "dict", "required": True},
            "from_release": {"type": "str", "required": True},
            "to_release": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    looked = [f"newproduct/{rule.__name__}" for rule in RULES]
    refusals = [reason for rule in RULES for reason in asked(rule, module.params)]
    module.exit_json(changed=False, wardship={"refusals": refusals, "looked": looked})


if __name__ == "__main__":
    main()
