"""The staff as the admin process meets them: sign-in, sessions, forms, and what each role may do. Not here: accounts as
operators change them (`backoffice/staff.py`)."""
