"""Every fault that the loop can latch has words and causes on the screen."""

import pytest

from plugins.teleop.words import fault_causes
from studio.control.fault import FaultCode

_UNKNOWN = fault_causes(-1)


@pytest.mark.parametrize("code", [code for code in FaultCode if code is not FaultCode.NONE], ids=lambda code: code.name)
def test_every_fault_names_its_own_causes(code: FaultCode) -> None:
    assert fault_causes(code) and fault_causes(code) != _UNKNOWN
