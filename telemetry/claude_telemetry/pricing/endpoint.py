"""Which model an id stands for, on the platform that serves it, and whether that endpoint costs more.

Only whole ids of the price book count: a prefix never does, since `claude-opus-5` begins `claude-opus-5-5` and costs
another price. Ids on Bedrock and locations on Google Cloud also say where a request runs, which is
part of the price.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from claude_telemetry.pricing.book import DATA_ZONE, REGIONAL, Alias, Book, Model
from claude_telemetry.pricing.in_use import the_book

PLATFORMS = frozenset({"anthropic", "claude_platform_aws", "google_cloud", "bedrock", "vertex", "foundry"})
"""`google_cloud` is the Claude Platform there, at list price; `vertex` is Google's own service."""


# Deployment types as Azure's tools and as its documentation write them, without case and punctuation. Claude has a data
# zone in the US only (pricing page, read 2026-08-21).
_FOUNDRY_PLACES = {
    "global": 0,
    "globalstandard": 0,
    "datazone": DATA_ZONE,
    "datazonestandard": DATA_ZONE,
    "usdatazone": DATA_ZONE,
    "usdatazonestandard": DATA_ZONE,
}


class UnpricedError(Exception):
    """Why a call has no price, in one word for its flags. Never leaves this package."""

    def __init__(self, flag: str) -> None:
        super().__init__(flag)
        self.flag = flag


class Offer(NamedTuple):
    """A model as one endpoint serves it."""

    model: Model
    place: int | None
    """The term that the endpoint adds for models that cost more there: 0 for none, `None` when it is not known."""


def model_to_price(
    platform: object, *, asked: str | None, answered: str | None, book: Book | None = None
) -> str | None:
    """The id that names the price. Bedrock and Vertex price by the one that was asked for: it names the place, and the
    answer's does not. So does a name that the user says what it stands for, unless another model answered. `book` is
    as for `cost_of`."""
    if platform in ("bedrock", "vertex"):
        return asked
    if book is None:
        book = the_book()
    if book.aliases and asked and asked in book.aliases and not _is_another(book, answered, book.aliases[asked]):
        return asked
    return answered or asked


def _is_another(book: Book, answered: str | None, alias: Alias) -> bool:
    """Whether `answered` is the id of another model than the one that `alias` stands for."""
    models = [ids[answered] for ids in book.by_id.values() if answered and answered in ids]
    return bool(models) and offer_of(book, *alias).model not in models


def unaliased(
    book: Book, platform: str, name: str | None, region: str | None, deployment_type: str | None
) -> tuple[str, str | None, str | None, str | None]:
    """The same endpoint, by what the user says that `name` stands for, if the user says so."""
    alias = book.aliases.get(name) if isinstance(name, str) else None
    return alias or (platform, name, region, deployment_type)


def offer_of(book: Book, platform: str, name: str | None, region: str | None, deployment_type: str | None) -> Offer:
    """What `name`, which is no alias, stands for on `platform`.

    Raises `UnpricedError` for an id that the book does not hold or cannot look into, and for what is no id at all.
    """
    try:
        return _offer_of(book, platform, name, region, deployment_type)
    except TypeError:
        raise UnpricedError("model_unknown") from None


@lru_cache(maxsize=1024)
def _offer_of(book: Book, platform: object, name: object, region: object, deployment_type: object) -> Offer:
    """Raises `TypeError` for arguments that cannot be looked up, without even being called."""
    if not isinstance(name, str):
        raise UnpricedError("model_unknown")
    if not isinstance(platform, str) or platform not in PLATFORMS:
        raise UnpricedError("platform_unknown")
    if not isinstance(region, str | None) or not isinstance(deployment_type, str | None):
        raise UnpricedError("region_unknown")
    if platform == "bedrock":
        return _on_bedrock(book, name, region)
    model = book.by_id["vertex" if platform == "vertex" else "anthropic"].get(name)
    if model is None:
        raise UnpricedError("model_unknown")
    if platform == "vertex":
        return Offer(model, _google_place(book, region))
    return Offer(model, _foundry_place(deployment_type) if platform == "foundry" else 0)


def part_offer_of(book: Book, platform: str, name: str, call: Offer) -> Offer | None:
    """What `name` stands for within an answer of `call`, or `None` for an id that the book does not hold.

    Answers from Bedrock and Google Cloud name models as the Claude API does; their parts run where the call runs.
    """
    model = book.by_id["anthropic"].get(name)
    if model is not None:
        return Offer(model, call.place)
    alias = book.aliases.get(name)
    try:
        if alias is not None:
            return offer_of(book, *alias)
        offer = offer_of(book, platform, name, None, None)
    except UnpricedError:
        return None
    return offer if platform == "bedrock" else Offer(offer.model, call.place)


def _on_bedrock(book: Book, name: str, region: str | None) -> Offer:
    if name.startswith("arn:"):
        name, region = _inside_arn(name)
    if region is not None and region.startswith("us-gov-"):
        # Sources disagree on what GovCloud costs; one says 1.2 times the list price.
        raise UnpricedError("region_unknown")
    models = book.by_id["bedrock"]
    model = models.get(name)
    if model is not None:
        # An id without a prefix runs in one region: some sources add the premium, some do not.
        return Offer(model, None)
    prefix, _, rest = name.partition(".")
    model = models.get(rest)
    if model is None:
        raise UnpricedError("model_unknown")
    if prefix in book.bedrock_prefixes:
        return Offer(model, REGIONAL)
    if prefix in book.global_names:
        return Offer(model, 0)
    raise UnpricedError("region_unknown")


def _inside_arn(arn: str) -> tuple[str, str]:
    """The model id and the region of `arn:aws:bedrock:REGION:ACCOUNT:KIND/ID`, where the ARN tells them."""
    head, _, name = arn.partition("/")
    parts = head.split(":")
    if len(parts) != 6 or parts[2] != "bedrock" or parts[5] not in ("inference-profile", "foundation-model"):
        # An application's own profile, a provisioned or an imported model: the ARN does not say what is behind it.
        raise UnpricedError("model_opaque")
    if parts[1] != "aws":
        raise UnpricedError("region_unknown")
    return name, parts[3]


def _google_place(book: Book, region: str | None) -> int | None:
    if not region:
        return None
    return 0 if region in book.global_names else REGIONAL


def _foundry_place(deployment_type: str | None) -> int:
    """Unreported counts as Global Standard, the default; the cost says so in a flag."""
    if deployment_type is None:
        return 0
    place = _FOUNDRY_PLACES.get("".join(filter(str.isalnum, deployment_type.lower())))
    if place is None:
        raise UnpricedError("region_unknown")
    return place
