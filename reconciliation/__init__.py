"""Jobs by the clock: the renewals of subscriptions, the daily record, test clocks. They decide nothing about a subscription;
they wake it.

``process.py`` is ``billing run scheduler``; ``trigger.py`` alone knows Rocketry.
"""
