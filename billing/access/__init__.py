"""What an API client may do: scopes; what a person on the staff is: roles. Not here: keys and accounts, which are stored in
`storage/access/` and `storage/staff/`."""
