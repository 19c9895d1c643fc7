"""A question to an endpoint, with the key that the tests of endpoints use."""

from marl_moe.text.backends.endpoint import Completion, Endpoint

SECRET = "sk-proj-Zq81vPdX27LmWt904bHc"


def ask(base_url: str, timeout_s: float = 5.0, retries: int = 1, **others: object) -> Completion:
    endpoint = Endpoint(base_url, "some-model", timeout_s, retries)
    return endpoint.complete(
        "expert weather", "You are rain.", "Fall.", max_tokens=50, seed=3, **others
    )
