"""The bridge between a hospital's ordering system, its RIS and its modalities; runs beside the RIS.

A program for hosts, built into one file: HL7 v2 in, patients and orders of GNU Health out of it,
and of those the modality worklist. It keeps nothing of its own: what it knows is in the RIS.
"""

VERSION = "1"
