"""Integration by a language model."""

from collections.abc import Sequence

from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.openai_experts import TOKENS_PER_WORD
from marl_moe.text.clauses import first_words, words_of
from marl_moe.text.decomposition import Request

LINKING = 1.2  # words of the whole over those of its parts, at most
TEMPERATURE = 0.2
SYSTEM = (
    "You make one continuous text of the passages of a story that you are given. Keep their order "
    "and everything they say. Smooth the transitions, and add nothing that they do not say. Write "
    "the text alone, without numbers, titles or remarks."
)


class OpenAIFusion:
    """The model of an endpoint, which makes one text of the answers.

    It is shown the answers and not the prompt, so that it does not invent what was dropped.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = f"openai:{endpoint.model}"
        self._endpoint = endpoint

    def integrate(self, request: Request, answers: Sequence[str | None]) -> str:
        """Make one text of the answers in the prompt's order.

        One answer stays as it is, and none make an empty text. A text of more than `LINKING` times
        their words ends with its last sentence within them.

        Raises:
            EndpointError: the endpoint gave up.
        """
        passages = [answer for answer in answers if answer]
        if len(passages) < 2:
            return "".join(passages)
        words = round(LINKING * sum(len(words_of(passage)) for passage in passages))
        numbered = "\n\n".join(
            f"Passage {number}:\n{passage}" for number, passage in enumerate(passages, 1)
        )
        completion = self._endpoint.complete(
            "integration",
            system=SYSTEM,
            user=f"Make one text of at most {words} words of these passages, in this "
            f"order.\n\n{numbered}",
            max_tokens=TOKENS_PER_WORD * words,
            seed=0,
            temperature=TEMPERATURE,
        )
        return first_words(completion.text, words)
