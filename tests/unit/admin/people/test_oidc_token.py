"""What an ID token is taken for: claims, keys, algorithms."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from admin.people.oidc import token
from admin.people.oidc.refusals import NotIdentified

RSA = {**RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True), "kid": "a"}
EC = {**ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True), "kid": "b"}
OCT = {"kty": "oct", "k": "c2VjcmV0", "kid": "c"}


@pytest.mark.parametrize(
    ("keys", "kid", "algorithm", "found"),
    [
        ([RSA, EC], "a", "RS256", True),
        ([RSA, EC], "b", "ES256", True),
        ([RSA, EC], "a", "ES256", False),
        ([RSA, EC], "b", "RS256", False),
        ([RSA], None, "RS256", True),
        ([RSA, EC], None, "RS256", False),
        ([RSA, RSA], "a", "RS256", False),
        ([{**RSA, "use": "enc"}], "a", "RS256", False),
        ([{**RSA, "alg": "PS256"}], "a", "RS256", False),
        ([{**RSA, "alg": "PS256"}], "a", "PS256", True),
        ([OCT], "c", "RS256", False),
        ([{}], None, "RS256", False),
        ([], "a", "RS256", False),
    ],
)
def test_a_key_is_found_by_its_id_and_fits_the_algorithm(keys, kid, algorithm, found):
    assert (token.find_key(keys, kid, algorithm) is not None) is found


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384", "HS512"])
def test_algorithms_without_a_key_pair_are_refused(algorithm):
    made = jwt.encode({}, None if algorithm == "none" else "s" * 64, algorithm)
    with pytest.raises(NotIdentified, match="not allowed"):
        token.key_of(made)


@pytest.mark.parametrize("made", ["", "x", "x.y.z", "." * 100, "W10.W10.W10", "é.é.é"])
def test_what_is_no_token_is_refused(made):
    with pytest.raises(NotIdentified):
        token.key_of(made)


@pytest.mark.parametrize(
    ("claims", "path", "values"),
    [
        ({"groups": ["a", 17, "b"]}, "groups", {"a", "b"}),
        ({"role": "a"}, "role", {"a"}),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"https://cinema.example/roles": ["a"]}, "https://cinema.example/roles", {"a"}),
        ({"realm_access": "roles"}, "realm_access.roles", set()),
        ({"realm_access": ["roles"]}, "realm_access.roles", set()),
        ({}, "realm_access.roles", set()),
        ({"groups": {"a": True}}, "groups", set()),
    ],
)
def test_the_values_of_a_claim(claims, path, values):
    assert token.values_of(claims, path) == values
