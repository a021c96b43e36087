"""Reference consumers of the signals, to be read, copied and tested against: ``auth_consumer``, ``notify_consumer``. They
use the message types of ``billing`` only; a real service would use the published JSON schemas."""
