"""Which API clients may be set up."""

import pytest
from pydantic import SecretStr

from ingest_api.api_keys import ApiKeys


@pytest.mark.parametrize("name", ["", "a:b", "Site", "with space", "x" * 64])
def test_a_name_that_could_be_mistaken_for_another_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not valid"):
        ApiKeys({name: SecretStr("0" * 64)})


@pytest.mark.parametrize("digest", ["", "plain-text-key", "0" * 63, "Z" * 64])
def test_a_key_that_is_not_hashed_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="not valid") as refused:
        ApiKeys({"site": SecretStr(digest)})
    assert digest == "" or digest not in str(refused.value)
