"""The tutorial's app with the bare one's two handlers, for the overload curves."""

from bare import app as bare
from tutorial.app import app

app.add_url_rule("/chaos/wait", view_func=bare.wait)
app.add_url_rule("/chaos/cpu", view_func=bare.cpu)
