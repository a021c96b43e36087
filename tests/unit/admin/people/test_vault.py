"""Secrets of authenticators as they are stored."""

from cryptography.fernet import Fernet

from admin.people.vault import Vault

SECRET = b"\x00\x01 twenty bytes long"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def test_a_secret_is_stored_as_it_is_without_keys_and_stays_readable_with_them():
    stored = Vault().seal(SECRET)
    assert stored == SECRET
    assert Vault([NEW]).open(stored) == SECRET
    assert not Vault([NEW]).is_current(stored)
    assert Vault().is_current(stored)


def test_the_first_key_encrypts_and_all_decrypt():
    stored = Vault([OLD]).seal(SECRET)
    assert SECRET not in stored
    both = Vault([NEW, OLD])
    assert both.open(stored) == SECRET
    assert not both.is_current(stored)
    assert both.is_current(both.seal(SECRET))
    assert Vault([NEW]).open(both.seal(SECRET)) == SECRET


def test_what_no_key_opens_is_no_secret():
    stored = Vault([OLD]).seal(SECRET)
    assert Vault([NEW]).open(stored) is None
    assert Vault().open(stored) is None
    assert Vault([OLD]).open(stored[:-1] + b"A") is None
