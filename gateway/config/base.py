"""What every section of the configuration file is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$")]
NodeId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class Section(BaseModel):
    """A section: no keys but its own, never changed, never shown in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
