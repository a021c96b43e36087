"""The rules of clearing, pure. Not here: what becomes of a payment, which its own rules decide from evidence."""
