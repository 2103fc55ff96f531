"""Every route, asked as its description says and as it does not, answers as its description says."""

from tests.fuzz.running import run
from tests.fuzz.surface import Surface

SEED = 5
PER_ROUTE = 16
CASES = 1_000


def test_no_described_case_is_a_failure_of_ours(at: Surface) -> None:
    report = run(at, cases=CASES, seed=SEED, per_route=PER_ROUTE)
    assert [str(finding) for finding in report.findings] == []
    succeeded = sum(count for (_, status), count in report.answers.items() if status < 300)
    assert succeeded > report.cases / 3
