"""Why a button is greyed out: each poll of the add-on gives its reason through here."""

from __future__ import annotations

from typing import Any


def allowed(operator: Any, reason: str) -> bool:
    """What a ``poll`` answers: True without a reason against it, else False, with the reason in the button's tooltip.

    Args:
        operator: the operator's class.
        reason: one line for people, empty when the operator can run.
    """
    if reason:
        operator.poll_message_set(reason)
    return not reason
