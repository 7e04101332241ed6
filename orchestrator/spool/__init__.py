"""The spool: keeps what is sent to a product while its door is shut, and gives it back.

Runs on hosts as one file, ``wardship-spool``, with its libraries in it, as a user of its own.
Imports nothing of ours. Python 3.10 or later.
"""

SCHEMA = 1
VERSION = "1"
