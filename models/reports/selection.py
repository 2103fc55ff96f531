"""What a report is asked for: whose calls, grouped how, over what time."""

from typing import Literal, get_args

from msgspec import Struct

from models.errors import InvalidRequest
from models.reports.time_range import Bucket, TimeRange, checked, longest_with

Dimension = Literal["model", "provider", "user", "team", "key", "task", "conversation", "status", "endpoint"]

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

MAX_GROUPS = 500
MAX_CELLS = 20_000


class Selection(Struct, frozen=True, kw_only=True):
    """Calls of one tenant; an empty tuple leaves a dimension as it is, users and teams are UUIDs."""

    tenant_id: str
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


class Owner(Struct, frozen=True):
    """One user's calls, or without one all of the tenant's."""

    tenant_id: str
    user_id: str | None = None


class UsageQuery(Struct, frozen=True, kw_only=True):
    selection: Selection
    time_range: TimeRange
    bucket: Bucket = "day"
    group_by: tuple[Dimension, ...] = ()
    groups: int = 20
    """Groups beyond so many, by spend, are summed up as `other`."""
    compare: bool = False
    """With what the range of equal length before came to."""
    forecast: bool = False
    """What the range will come to, if it has not ended."""

    def checked(self) -> "UsageQuery":
        """The query as it may be run. Raises InvalidRequest where it asks for too much."""
        if len(set(self.group_by)) != len(self.group_by):
            raise InvalidRequest("a dimension is named twice", param="group_by")
        if not 1 <= self.groups <= MAX_GROUPS:
            raise InvalidRequest(f"`groups` is not between 1 and {MAX_GROUPS}", param="groups")
        time_range = checked(self.time_range, longest=longest_with(self.bucket))
        cells = len(time_range.buckets(self.bucket)) * (self.groups + 1 if self.group_by else 1)
        if cells > MAX_CELLS:
            raise InvalidRequest(
                f"{cells} rows are too many: ask for fewer groups, larger buckets or a shorter range",
                param="groups",
            )
        return UsageQuery(
            selection=self.selection,
            time_range=time_range,
            bucket=self.bucket,
            group_by=tuple(dimension for dimension in DIMENSIONS if dimension in self.group_by),
            groups=self.groups,
            compare=self.compare,
            forecast=self.forecast,
        )
