"""Limits: what each key, user, team and tenant may have per minute and at once, and who goes first."""

from models.limits.admission import Admission as Admission
from models.limits.admitted import NOTHING as NOTHING
from models.limits.admitted import Admitted as Admitted
from models.limits.book import InMemoryLimits as InMemoryLimits
from models.limits.book import LimitBook as LimitBook
from models.limits.book import LimitStore as LimitStore
from models.limits.counters import InMemoryCounters as InMemoryCounters
from models.limits.fair_queue import FairQueue as FairQueue
from models.limits.headers import headers_for as headers_for
from models.limits.headroom import Headroom as Headroom
from models.limits.limit import Claim as Claim
from models.limits.limit import Limit as Limit
from models.limits.limit import Rate as Rate
from models.limits.limit import Who as Who
from models.limits.limit import tightest as tightest
from models.limits.priority import Priority as Priority
from models.limits.priority import priority_of as priority_of
from models.limits.refusal import RateLimited as RateLimited
from models.limits.shedding import LoopLag as LoopLag
from models.limits.shedding import Shedder as Shedder
from models.limits.steady import SteadyCounters as SteadyCounters
from models.limits.store import PostgresLimits as PostgresLimits
