import pytest


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_probe(client, path, status):
    response = client.get(path)

    assert response.status_code == 200
    assert response.get_json() == {"status": status}
