"""The ends of the trials of a study."""

from lmctl.jobs.watching.tuning_events import TrialEnded


def ended(events):
    """Number and state of each trial that has ended, in order."""
    return [(event.trial, event.state) for event in events if isinstance(event, TrialEnded)]
