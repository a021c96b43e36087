"""How the service is run: images, configuration, and a local stack that needs no Docker."""
