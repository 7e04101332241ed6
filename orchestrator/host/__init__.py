"""The program that runs on hosts: everything that mutates between quiesce and open.

It stands alone: standard library only, Python 3.9 or newer, shipped as one file, and it imports
nothing else of wardship. Its contract is docs/host-program.md.
"""

VERSION = "1"
SCHEMA = 1
