"""What a relay says of itself."""

from infra.metrics import CONFIGURATION_RELAY, REGISTRY
from management.relays.progress import Progress

BEGINNING = "comparing the topic with the tables"


def new_progress() -> Progress:
    return Progress(CONFIGURATION_RELAY, "change", BEGINNING)


def leader_gauge() -> float | None:
    return REGISTRY.get_sample_value("hookline_configuration_relay_leader")


def reasons_of(progress: Progress) -> tuple[str, ...]:
    return progress.health("relay", alive=True).reasons


def test_it_is_not_ready_before_it_leads_or_stands_by() -> None:
    progress = new_progress()
    assert reasons_of(progress) == (BEGINNING,)
    progress.note_standby()
    assert (reasons_of(progress), progress.health("relay", alive=True).details["state"]) == ((), "standby")
    progress.note_taking_over()
    assert reasons_of(progress) == (BEGINNING,)
    progress.note_lead()
    assert (reasons_of(progress), progress.health("relay", alive=True).details["state"]) == ((), "leader")


def test_trouble_is_new_once_and_ends_with_the_next_lead() -> None:
    progress = new_progress()
    progress.note_lead()
    assert [progress.note_trouble("Kafka: away"), progress.note_trouble("Kafka: away")] == [True, False]
    assert reasons_of(progress) == ("Kafka: away",)
    progress.note_lead()
    assert reasons_of(progress) == ()


def test_changes_that_wait_for_long_are_a_reason_for_leader_and_standby() -> None:
    progress = new_progress()
    for note in (progress.note_lead, progress.note_standby):
        note()
        progress.note_waiting(3, 29.0)
        assert reasons_of(progress) == ()
        progress.note_waiting(3, 31.4)
        assert reasons_of(progress) == ("3 changes wait, the oldest for 31 s",)
    health = progress.health("relay", alive=True)
    assert (health.lag_records, health.details["oldest_change_seconds"]) == (3, 31.4)


def test_a_relay_whose_thread_has_ended_says_so() -> None:
    progress = new_progress()
    progress.note_lead()
    assert progress.health("relay", alive=False).reasons == ("the relay does not run",)


def test_the_time_of_the_last_publication_is_shown() -> None:
    progress = new_progress()
    assert progress.health("relay", alive=True).last_commit_at_us is None
    progress.note_published()
    health = progress.health("relay", alive=True)
    assert health.last_commit_at_us == health.details["last_published_at_us"]


def test_only_the_leader_shows_the_metric_of_a_leader() -> None:
    progress = new_progress()
    for leave in (
        progress.note_standby,
        progress.note_taking_over,
        progress.note_end,
        lambda: progress.note_trouble("Kafka: away"),
    ):
        progress.note_lead()
        assert leader_gauge() == 1
        leave()
        assert leader_gauge() == 0
