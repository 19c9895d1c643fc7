"""An error of a user's code is told in one line, with the place in that code."""

from types import CodeType

import numpy as np
import pytest

from mechanisms import Market
from mechanisms.errors import described


def raised(code: CodeType) -> str:
    try:
        exec(code, {"np": np, "Market": Market})
    except Exception as error:
        return described(error)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("line", ["np.reshape([1, 2], 3)", "int('x')", "Market(1)", "{}['nope']"])
def test_the_place_is_in_the_users_code_though_a_library_or_we_raised_it(line: str) -> None:
    assert raised(compile(f"\n\n{line}", "/anywhere/mine.py", "exec")).endswith("(mine.py, line 3)")
