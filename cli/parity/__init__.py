"""``billing parity``: are analytics equal to the books, and if not, make them so."""
