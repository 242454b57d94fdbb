from __future__ import annotations

import pytest

from chat_transport.broker.annotations import AnnotationSet, check_annotation
from chat_transport.broker.frames import Annotation
from chat_transport.broker.refusal import Refusal


def fold(*annotations):
    kept = AnnotationSet()
    for action, kind, client, name, *count in annotations:
        kept.add(
            Annotation(action, type=kind, client_id=client, name=name, count=(count or [None])[0])
        )
    return kept.summary()


def row(*clients):
    return {"total": len(clients), "clientIds": list(clients), "clipped": False}


def test_total_counts_everything():
    assert fold(
        (0, "r:total.v1", "a", None), (0, "r:total.v1", None, None), (1, "r:total.v1", "a", None)
    ) == {"r:total.v1": {"total": 1}}


def test_flag_counts_each_client_once():
    kind = "r:flag.v1"
    assert fold((0, kind, "a", None), (0, kind, "a", None), (0, kind, "b", None)) == {
        kind: row("a", "b")
    }
    assert fold((0, kind, "a", None), (1, kind, "a", None)) == {kind: row()}


def test_distinct_counts_each_name_of_a_client():
    kind = "r:distinct.v1"
    assert fold((0, kind, "a", "x"), (0, kind, "a", "y"), (0, kind, "b", "x")) == {
        kind: {"x": row("a", "b"), "y": row("a")}
    }


def test_unique_keeps_the_last_name_of_a_client():
    kind = "r:unique.v1"
    assert fold((0, kind, "a", "x"), (0, kind, "a", "y")) == {kind: {"y": row("a")}}


def test_multiple_adds_counts():
    kind = "r:multiple.v1"
    assert fold((0, kind, "a", "x", 2), (0, kind, "a", "x", 3), (0, kind, None, "x")) == {
        kind: {
            "x": {
                "total": 6,
                "clientIds": {"a": 5},
                "totalUnidentified": 1,
                "clipped": False,
                "totalClientIds": 1,
            }
        }
    }


@pytest.mark.parametrize("kind", [None, "", "r:other.v9"])
def test_unknown_types_are_refused(kind):
    with pytest.raises(Refusal):
        check_annotation(Annotation(0, type=kind))


def test_a_type_without_a_method_is_kept_and_not_summed():
    kept = AnnotationSet()
    kept.add(Annotation(0, type="note"))
    assert (len(kept.kept), kept.summary()) == (1, {})


@pytest.mark.parametrize(
    ("kind", "client", "name"),
    [("r:distinct.v1", "a", None), ("r:flag.v1", None, None), ("r:unique.v1", None, "x")],
)
def test_a_method_needs_its_fields(kind, client, name):
    with pytest.raises(Refusal):
        check_annotation(Annotation(0, type=kind, client_id=client, name=name))
