"""The real app with a view that raises, as only a mistake in one of your own would."""

from tests.service.sample import create_app

app = create_app()
app.add_url_rule("/raise", view_func=lambda: 1 / 0)
# What a fork registers has series from then on.
app.extensions["outages"].register("database", TimeoutError)
app.extensions["dependencies"].require("database", list)
