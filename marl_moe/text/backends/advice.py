"""What to set where an endpoint cannot be asked, beside the words of its server."""

import re

KEY = "OPENAI_API_KEY"
WITHOUT_THINKING = (
    "serve the model without thinking (llama.cpp: --reasoning-budget 0; vLLM: "
    "--default-chat-template-kwargs '{\"enable_thinking\": false}')"
)
_CONTEXT = re.compile(
    r"context (?:length|size|window)|max_model_len|max_new_tokens|exceed_context|n_ctx"
    r"|(?:too large|at most|cannot be greater).*tokens|tokens.*(?:too large|at most|exceed)",
    re.IGNORECASE | re.DOTALL,
)
_MODEL = re.compile(
    r"model\b.*(?:not (?:be )?found|not exist|unknown|not loaded|invalid)"
    r"|(?:unknown|no such|invalid|no) model|not a valid model",
    re.IGNORECASE | re.DOTALL,
)


def is_of_model(status: int, said: str) -> bool:
    """Return whether a server does not know the model that was asked for, or perhaps not."""
    return status == 404 or (status in (400, 422) and _MODEL.search(said) is not None)


def advice(
    status: int, said: str, base_url: str, models: list[str] | None, has_key: bool, sent: list[str]
) -> str:
    """Return what to set after a response of this status, "" where nothing would help.

    Args:
        status: of the response.
        said: its body.
        base_url: of the endpoint.
        models: that the server says it has; None where it was not asked or does not say.
        has_key: whether a key was sent.
        sent: names of the parameters that were sent.
    """
    if status in (401, 403):
        state = "the key that it holds was sent" if has_key else "it is not set"
        return f"set {KEY} to a key of this server ({state})"
    if models:
        return f"--model: the server has {', '.join(models)}"
    if status in (404, 405) or (status < 500 and "<html" in said.lower()):
        path = base_url.rstrip("/")
        tried = "" if path.endswith("/v1") else f", such as {path}/v1"
        return f"--base-url should end in /v1 as a rule{tried}; {path}/chat/completions was asked"
    if status == 503 and said:
        return "the server is up but not ready; try again when its model is loaded"
    if status in (400, 422) and _CONTEXT.search(said):
        return (
            "lower --words, or give the model a longer context (llama.cpp: -c; Ollama: "
            "OLLAMA_CONTEXT_LENGTH; vLLM: --max-model-len)"
        )
    if status in (400, 422):
        return f"set the server to take what was sent: {', '.join(sent)}"
    return ""
