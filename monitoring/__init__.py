"""What the service looks like from outside: the numbers of the books, and what is watched and when somebody is called.

Reads Postgres and the ends of Kafka's topics; changes nothing. Not here: what a process tells of itself, which is in its
own folder.
"""
