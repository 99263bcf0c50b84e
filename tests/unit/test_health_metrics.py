"""The list of metrics is closed, and no label can grow without bound."""

import re
from pathlib import Path

import pytest

from infra import metrics

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("hookline", "ingress", "processors", "sinks", "management", "infra", "schemas")
CREATES_METRIC = re.compile(r"\bprometheus_client\b")
FEW_VALUED_LABELS = {"outcome", "topic", "reason", "consumer", "table", "resource", "status", "priority", "le"}
FEW_VALUED_LABELS |= {"part", "group", "store", "kind"}


def source_files() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def test_no_module_but_the_list_knows_the_metrics_library() -> None:
    users = {str(path.relative_to(ROOT)) for path in source_files() if CREATES_METRIC.search(path.read_text())}
    assert users == {"infra/metrics.py"}


def test_every_metric_is_named_for_hookline_and_described() -> None:
    own = [family for family in metrics.REGISTRY.collect() if not family.name.startswith(("process_", "python_"))]
    assert len(own) > 30
    assert [family.name for family in own if not family.name.startswith("hookline_")] == []
    assert [family.name for family in own if not family.documentation.endswith(".")] == []


@pytest.mark.parametrize("name", [name for name in vars(metrics) if name.isupper() and name != "REGISTRY"])
def test_labels_are_from_the_short_list(name: str) -> None:
    member = getattr(metrics, name)
    for metric in member if isinstance(member, metrics.RelayMetrics) else (member,):
        assert set(getattr(metric, "_labelnames", ())) <= FEW_VALUED_LABELS


def test_rendering_is_the_prometheus_text_format() -> None:
    metrics.INGRESS_REQUESTS.labels("accepted").inc()
    text = metrics.render().decode()
    assert 'hookline_ingress_requests_total{outcome="accepted"}' in text
    assert metrics.CONTENT_TYPE.startswith("text/plain")
