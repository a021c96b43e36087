"""What a second person decides on: the list, one request with its preview then and now, the decision."""
