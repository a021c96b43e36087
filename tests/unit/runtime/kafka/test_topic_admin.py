import pytest

from runtime.kafka.topic_admin import min_insync_replicas


@pytest.mark.parametrize(("replicas", "minimum"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_a_confirmed_message_is_on_all_replicas_but_one(replicas, minimum):
    assert min_insync_replicas(replicas) == minimum
