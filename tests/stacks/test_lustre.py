"""Which file systems FSx can make."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stacks.settings.parts import Lustre


@pytest.mark.parametrize(
    ("capacity", "throughput", "efa"),
    [
        (1200, 250, False),
        (2400, 1000, False),
        (4800, 1000, True),
        (9600, 500, True),
        (19200, 250, True),
        (38400, 125, True),
        (38400, 1000, True),
    ],
)
def test_what_can_be_had(capacity: int, throughput: int, efa: bool) -> None:
    assert Lustre(capacity_gib=capacity, throughput=throughput, efa=efa).capacity_gib == capacity


@pytest.mark.parametrize(
    ("capacity", "throughput", "efa", "message"),
    [
        (3000, 250, False, "3000 GiB cannot be had; 2400 and 4800 can"),
        (1201, 250, False, "1201 GiB cannot be had; 1200 and 2400 can"),
        (1200, 250, True, "with EFA at 250 MB/s per TiB; 19200 can"),
        (24000, 250, True, "with EFA at 250 MB/s per TiB; 19200 and 38400 can"),
        (2400, 333, False, "333 MB/s per TiB cannot be had"),
        (2400, 333, True, "333 MB/s per TiB cannot be had"),
    ],
)
def test_what_cannot_be_had_and_what_can_instead(
    capacity: int, throughput: int, efa: bool, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Lustre(capacity_gib=capacity, throughput=throughput, efa=efa)
    assert message in str(caught.value)
