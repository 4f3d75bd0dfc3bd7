"""The composition root: the only package where concrete classes meet.

``compose.py`` builds what several commands need, ``appliance.py`` puts the servers round it, ``use_case.py``
holds what the other commands do.
"""
