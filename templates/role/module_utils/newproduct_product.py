"""What only newproduct itself can tell. Write each function, and take its ``unwritten`` away.

Until then the survey names what is missing, so every plan with this role is refused. Used by the
role's modules and, laid beside them, by the host scripts: standard library only, Python 3.9.
``names`` is what ``vars/main.yml`` gives: product, root, services, volumes (path by name),
configuration, port. What cannot be learned is a ``ProblemError`` with the reason, never a guess.
"""

from __future__ import annotations

try:
    from ansible.module_utils.newproduct_host import unwritten
except ImportError:  # beside the host scripts
    from newproduct_host import unwritten


@unwritten("say how the running release is learned, by the product's own word")
def running(names):
    """The release that answers now, such as ``"2.0"``: not the one that is installed."""


@unwritten("say how what is stored is counted while the product runs")
def counts(names):
    """Numbers by name, ``instances`` among them: ``{"studies": 2, "instances": 40}``."""


@unwritten("say how what is stored is listed while the product is stopped")
def stored(names):
    """The census (orchestrator.survey.census.Census), without patient data.

    ``{"schema": 1, "product": names["product"], "patients": 0, "studies": []}`` with a study as
    ``{"uid": …, "series": [{"uid": …, "modality": …, "instances": [{"uid": …, "file": …, "size": …,
    "md5": …}]}]}``, where ``file`` is relative to the volume.
    """


@unwritten("say where the product writes what must not be lost")
def writes_to(names):
    """Every directory that it writes its state to: precheck proves that a snapshot holds them."""


@unwritten("say what of the product must not be interrupted")
def under_way(names):
    """Reasons against stopping it now, in words for a person; none is an empty list."""


@unwritten("say how the time of the last object is learned")
def received_ago(names):
    """Seconds since the last object came; None where the product cannot say."""


@unwritten("say what the new release needs that it does not do itself when it starts")
def migrate(names, release):
    """Change the stopped product's state for ``release``; runs again without harm."""


@unwritten("say how one study is removed")
def forget(names, study):
    """Remove the probe's study and prove it gone; fine if it is not there."""
