"""Secrets that a command or an experiment was given, taken out of what is written or printed."""

import os
import re
from collections.abc import Mapping

REDACTED = "[redacted]"
SHORTEST = 8  # letters of a secret of the environment: shorter values may be words of their own
NAMES = re.compile(
    r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:$|_)", re.IGNORECASE
)
IN_URL = re.compile(r"(?<=://)[^/\s@'\"]+@")  # user and password
_NAME = r"(?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d)"
# Named where it stands, as `api_key=...`, `token: ...` or `--api-key ...` (or the next argument);
# max_tokens=9 is none.
NAMED = re.compile(
    rf"(?<![A-Za-z])({_NAME}['\"]?\s*[=:]\s*|--{_NAME}[\s\0]+)([^\s\0,}}\]]+)", re.IGNORECASE
)


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a text without secrets.

    These are the values of environment variables named as secrets are, passwords in URLs, and
    values that the text itself names as secrets.
    """
    for name, value in environment.items():
        if NAMES.search(name) and len(value.strip()) >= SHORTEST:
            text = text.replace(value.strip(), REDACTED)
    text = IN_URL.sub(f"{REDACTED}@", text)
    return NAMED.sub(rf"\1{REDACTED}", text)
