"""Signing in at an OpenID provider: authorization code flow with PKCE. Who the person is, the provider says; whether they are
on the staff, and what they may do, our accounts say."""
