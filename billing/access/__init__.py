"""What an API client may do: scopes. Not here: keys, which are stored in `storage/access/`."""
