"""How Yandex Pay's public keys are kept, and when they are fetched."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from providers.yandex_pay.keys import BELIEVED_S, FAILED_PAUSE_S, PAUSE_S, TTL_S
from tests.support.signed_tokens import rejection


async def test_keys_are_fetched_once(provider, verifier):
    for _ in range(3):
        await verifier.verify({}, provider.token())
    assert provider.fetches == 1


async def test_a_known_key_with_a_bad_signature_is_refused_without_fetching(provider, verifier):
    provider.keys["key-2"] = ec.generate_private_key(ec.SECP256R1())
    await verifier.verify({}, provider.token())
    assert (await rejection(verifier, provider.token("key-1", signed_by="key-2"))).status == 403
    assert provider.fetches == 1


async def test_a_new_key_is_fetched_when_it_is_first_seen(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    provider.keys["key-2"] = ec.generate_private_key(ec.SECP256R1())
    clock.now = PAUSE_S
    await verifier.verify({}, provider.token("key-2"))
    assert provider.fetches == 2


async def test_a_flood_of_unknown_keys_causes_one_fetch(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    clock.now = PAUSE_S
    for number in range(50):
        assert (await rejection(verifier, provider.token(f"unknown-{number}", signed_by="key-1"))).status == 403
    assert provider.fetches == 2


async def test_expired_keys_are_fetched_again_and_kept_while_the_provider_is_away(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    clock.now = TTL_S
    provider.is_away = True
    await verifier.verify({}, provider.token())
    assert provider.fetches == 2


async def test_without_any_keys_the_provider_is_asked_to_come_back(provider, verifier):
    provider.is_away = True
    assert (await rejection(verifier, provider.token())).status == 503


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"keys": 1}', b'{"keys": ["a"]}', b"\xff"])
async def test_keys_that_cannot_be_read_are_no_keys(provider, verifier, answer):
    provider.answer = answer
    assert (await rejection(verifier, provider.token())).status == 503


async def test_a_token_that_names_a_key_of_another_kind_is_refused(provider, verifier):
    modulus = rsa.generate_private_key(65537, 2048).public_key()
    curve = ec.generate_private_key(ec.SECP384R1()).public_key()
    provider.others = [
        {**RSAAlgorithm.to_jwk(modulus, as_dict=True), "kid": "rsa"},
        {**ECAlgorithm.to_jwk(curve, as_dict=True), "kid": "p-384"},
    ]
    for kid in ("rsa", "p-384"):
        assert (await rejection(verifier, provider.token(kid, signed_by="key-1"))).status == 403
    await verifier.verify({}, provider.token())


async def test_the_first_calls_wait_for_one_fetch(provider, verifier):
    await asyncio.gather(*(verifier.verify({}, provider.token()) for _ in range(20)))
    assert provider.fetches == 1


async def test_keys_fetched_again_replace_the_old_ones(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    withdrawn = provider.token()
    provider.keys = {"key-2": ec.generate_private_key(ec.SECP256R1())}
    clock.now = TTL_S
    assert (await rejection(verifier, withdrawn)).status == 403
    await verifier.verify({}, provider.token("key-2"))


async def test_keys_are_not_believed_for_ever_while_the_provider_is_away(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    provider.is_away = True
    clock.now = BELIEVED_S
    assert (await rejection(verifier, provider.token())).status == 503
    provider.is_away = False
    clock.now += FAILED_PAUSE_S
    await verifier.verify({}, provider.token())


async def test_a_fetch_that_failed_is_soon_repeated_but_not_at_once(provider, verifier, clock):
    provider.is_away = True
    for _ in range(3):
        assert (await rejection(verifier, provider.token())).status == 503
    assert provider.fetches == 1
    provider.is_away = False
    clock.now = FAILED_PAUSE_S
    await verifier.verify({}, provider.token())


async def test_an_unknown_key_is_not_judged_while_keys_cannot_be_fetched(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    provider.keys["key-2"] = ec.generate_private_key(ec.SECP256R1())
    provider.is_away = True
    clock.now = PAUSE_S
    assert (await rejection(verifier, provider.token("key-2"))).status == 503
    await verifier.verify({}, provider.token("key-1"))


async def test_a_known_key_does_not_wait_for_the_fetch_of_an_unknown_one(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    clock.now = PAUSE_S
    provider.is_answering.clear()
    forged = asyncio.create_task(rejection(verifier, provider.token("unknown", signed_by="key-1")))
    async with asyncio.timeout(10):
        while provider.fetches == 1:
            await asyncio.sleep(0)
    await verifier.verify({}, provider.token())
    assert not forged.done()
    provider.is_answering.set()
    assert (await forged).reason == "unknown key"


async def test_a_flood_at_once_causes_one_fetch_too(provider, verifier, clock):
    await verifier.verify({}, provider.token())
    clock.now = PAUSE_S
    tokens = [provider.token(f"unknown-{number}", signed_by="key-1") for number in range(200)]
    rejected = await asyncio.gather(*(rejection(verifier, token) for token in tokens))
    assert {(one.status, one.reason) for one in rejected} == {(403, "unknown key")}
    assert provider.fetches == 2


async def test_strange_keys_beside_the_right_one_are_skipped(provider, verifier):
    provider.others = [
        {"kty": "AKP", "kid": "1", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "kid": "2", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "3", "x": "AAAA"},
        {"kty": "EC", "crv": "P-256", "kid": "4", "x": "AAAA", "y": "AAAA"},
        {"kty": "EC", "crv": "P-256", "kid": "5"},
        {"kty": "EC", "crv": "secp256k1", "kid": "6", "x": "AAAA", "y": "AAAA"},
        {"kty": "RSA", "kid": "7", "n": "AQAB", "e": "AQAB"},
        {"kty": "oct", "kid": "8", "k": "AAAA"},
        {"kid": "9"},
        {"kty": None, "kid": "10"},
        {"kty": "EC", "crv": "P-256", "kid": 11, "x": "AAAA", "y": "AAAA"},
        {},
    ]
    assert (await verifier.verify({}, provider.token())).order_ref == "order-1"


@pytest.mark.parametrize("other", [None, "a", 1, []])
async def test_a_member_that_is_no_key_does_not_hide_the_right_one(provider, verifier, other):
    provider.others = [other]
    assert (await verifier.verify({}, provider.token())).order_ref == "order-1"
