"""Reference consumers of our signals, to be read, copied and tested against: ``auth_consumer``, ``notify_consumer``."""
