"""Paths that name something: what is between the braces of a route."""

GENERATE = "generateContent"
STREAM = "streamGenerateContent"
COUNT = "countTokens"
METHODS = frozenset((GENERATE, STREAM, COUNT))
"""Google's, which stand behind a model's name and a colon."""

VERSIONS = ("/v1", "/v1beta")
_MODELS = "/models/"
_RESPONSES = "/v1/responses/"


def pattern_of(path: str) -> str:
    """The route that a path is of: `/v1/models/{model}` for one that names a model. Others are their own."""
    head, _, rest = path.partition(_MODELS)
    if rest and head in VERSIONS:
        model, _, method = rest.rpartition(":")
        return (
            f"{head}{_MODELS}{{model}}:{method}"
            if model and method in METHODS
            else f"{head}{_MODELS}{{model}}"
        )
    if path.startswith(_RESPONSES) and "/" not in (id := path[len(_RESPONSES) :]) and id:
        return f"{_RESPONSES}{{response_id}}"
    return path


def model_in(path: str) -> str:
    """The model that a path names, without the method that it is asked for."""
    rest = path.partition(_MODELS)[2]
    model, _, method = rest.rpartition(":")
    return model if method in METHODS else rest


def id_in(path: str) -> str:
    return path.rpartition("/")[2]
