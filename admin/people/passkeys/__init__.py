"""Passkeys (WebAuthn) as second factor: added after a fresh confirmation, shown at sign-in after the password, and to
confirm."""
