#!/usr/bin/python
"""Every record of GNU Health on a host as a keyed digest of what it says. Changes nothing there.

But for the key of the digests, which is made on first use.
"""

from __future__ import annotations

from ansible.module_utils import gnuhealth_records as records
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gnuhealth_host import ProblemError

DOCUMENTATION = r"""
module: gnuhealth_census
short_description: List every record of GNU Health by kind, key and digest
description: [Returns C(wardship.records) and C(wardship.key), which tells keys apart.]
options:
  names: {type: dict, required: true, description: [What is where on this host.]}
author: [wardship]
"""


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"names": {"type": "dict", "required": True}}, supports_check_mode=True
    )
    try:
        found = records.stored(module.params["names"])["records"]
        told = {"records": found, "key": records.key_name()}
    except (ProblemError, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, wardship=told)


if __name__ == "__main__":
    main()
