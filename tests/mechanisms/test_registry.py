"""A registry makes parts by name, and names the nearest where there is none."""

import pytest

from mechanisms.registry import MOST_LISTED, Registry, nearest


@pytest.fixture
def shapes() -> Registry[object]:
    registry: Registry[object] = Registry("shape")

    @registry.register("square")
    def square(side: float = 1.0) -> object:
        return ("square", side)

    registry.register("circle")(lambda: "circle")
    return registry


def test_parts_are_made_by_name_with_their_parameters(shapes: Registry[object]) -> None:
    assert shapes.make("square", side=2.0) == ("square", 2.0)
    assert shapes.make("circle") == "circle"
    assert shapes.names() == ("circle", "square")
    assert list(shapes) == ["square", "circle"]
    assert "circle" in shapes
    assert len(shapes) == 2


def test_an_unknown_name_is_answered_with_the_nearest(shapes: Registry[object]) -> None:
    with pytest.raises(ValueError, match=r"no shape 'squere'; did you mean 'square'\? Valid: "):
        shapes.make("squere")
    with pytest.raises(ValueError, match="no parameter 'sides'; did you mean 'side'"):
        shapes.make("square", sides=1.0)
    with pytest.raises(ValueError, match="no parameter 'side'; it takes none"):
        shapes.make("circle", side=1.0)


def test_a_name_is_taken_once(shapes: Registry[object]) -> None:
    with pytest.raises(ValueError, match="shape 'circle' exists already"):
        shapes.register("circle")(lambda: None)


def test_a_part_defined_again_takes_the_place_of_its_former_self(
    shapes: Registry[object],
) -> None:
    for corners in (3, 4):
        code = f"def polygon(): return {corners}"
        namespace = {"__name__": "notebook"}
        exec(code, namespace)
        shapes.register("polygon")(namespace["polygon"])  # type: ignore[type-var]
        assert shapes.make("polygon") == corners
    assert dict(shapes.items())["polygon"] is namespace["polygon"]
    del shapes["polygon"]
    assert "polygon" not in shapes


def test_names_are_listed_where_none_is_near_and_where_they_are_few() -> None:
    many = [f"name_{number}" for number in range(MOST_LISTED + 1)]
    assert nearest("name_3x", many) == "did you mean 'name_3'?"
    assert nearest("zzz", many) == f"valid: {', '.join(many)}"
    assert nearest("nam", ["name"]) == "did you mean 'name'? Valid: name"
