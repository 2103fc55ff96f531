"""What can be set of batches."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from models.batches import Limits


class BatchSettings(BaseModel):
    """How much of everybody's machines and providers large jobs may take at once."""

    model_config = ConfigDict(extra="forbid")

    max_lines: PositiveInt = 64
    """Under way in one runner."""
    max_lines_of_batch: PositiveInt = 32
    """Under way of one batch, in all runners."""
    max_file_bytes: PositiveInt = 200 * 1024 * 1024
    max_tenant_bytes: PositiveInt = 20 * 1024 * 1024 * 1024
    """Of all files of a tenant."""
    niceness: Annotated[int, Field(ge=0, le=19)] = 5
    """How far the runners stand back for other processes on the same cores."""

    def limits(self) -> Limits:
        return Limits(most=self.max_lines, most_of_batch=self.max_lines_of_batch)
