def test_service_has_every_family_of_the_cluster(rendering):
    """The API server gives one alone to a Service that does not ask."""
    spec = rendering.find("Service")["spec"]

    assert spec["ipFamilyPolicy"] == "PreferDualStack"  # not Require: most clusters have one
    assert "ipFamilies" not in spec
    assert "clusterIP" not in spec
