"""A mechanism around another one, for tests that change one thing of it."""

from dataclasses import dataclass

from mechanisms import Claims, Market, Mechanism, Outcome


@dataclass(frozen=True)
class Wrapped:
    """It is the other in everything that a subclass does not change."""

    inner: Mechanism

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def allocates(self) -> bool:
        return self.inner.allocates

    @property
    def claims(self) -> Claims:
        return self.inner.claims

    def clear(self, market: Market) -> Outcome:
        return self.inner.clear(market)
