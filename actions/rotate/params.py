"""What a rotation is asked for with."""

from __future__ import annotations

from pydantic import Field

from console.runs.api import Params


class RotateParams(Params):
    """`credential`: the credential, or the name of its rotation in the profile."""

    credential: str = Field(title="Credential", description="Which credential, as the profile's `rotations` name it.")
    emergency: bool = Field(
        default=False,
        title="Emergency",
        description="It has leaked: no overlap, the old value is made worthless at once. The plan says what breaks.",
    )
    discard: bool = Field(
        default=False,
        title="Discard the pending value",
        description="Throw away a value that an earlier rotation left pending, and make another one.",
    )
    ask: bool = Field(
        default=True,
        title="Ask before the old value is made worthless",
        description="False: that is agreed to now, with this plan, and nobody is asked again.",
    )
