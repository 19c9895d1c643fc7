"""Text experts that are a language model with a persona."""

from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.experts import Answer
from marl_moe.text.bank import Bank
from marl_moe.text.clauses import first_words

TOKENS_PER_WORD = 2  # at most, of English prose; 1.3 is usual


class OpenAIExpert:
    """The model of an endpoint in the persona of a bank; the bank's phrases are not used.

    The same seed gives the same text where the server honours seeds.
    """

    def __init__(self, bank: Bank, endpoint: Endpoint, seed: int) -> None:
        self.topic = bank.topic
        self._persona = bank.persona
        self._endpoint = endpoint
        self._seed = seed

    def generate(self, subtask: str, words: int) -> Answer:
        """Answer in at most `words` words: a longer text ends with its last sentence within them.

        Raises:
            EndpointError: the endpoint gave up.
        """
        completion = self._endpoint.complete(
            f"expert {self.topic}",
            system=self._persona,
            user=f"Write a passage of a story, of at most {words} words and nothing else, about "
            f"this: {subtask}",
            max_tokens=TOKENS_PER_WORD * words,
            seed=self._seed,
        )
        return Answer(first_words(completion.text, words), completion.tokens, completion.seconds)
