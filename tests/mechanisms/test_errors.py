"""An error of a user's code is told in one line, with the place in that code."""

from types import CodeType

import numpy as np
import pytest

from mechanisms import Market
from mechanisms.errors import described


def raised(code: CodeType) -> str:
    with pytest.raises(Exception, match=".") as caught:
        exec(code, {"np": np, "Market": Market})
    tail = caught.value.__traceback__
    assert tail is not None
    return described(caught.value.with_traceback(tail.tb_next))


@pytest.mark.parametrize("line", ["np.reshape([1, 2], 3)", "int('x')", "Market(1)", "{}['nope']"])
def test_the_place_is_in_the_users_code_though_a_library_or_we_raised_it(line: str) -> None:
    assert raised(compile(f"\n\n{line}", "/home/user/mine.py", "exec")).endswith(
        "(mine.py, line 3)"
    )
