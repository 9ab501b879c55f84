"""A WSGI app that has a thing to give once: the first request gets it, all others 404."""

things = ["it"]


def application(environ, start_response):
    status = "200 OK" if things else "404 Not Found"
    del things[:]
    start_response(status, [("Content-Length", "0")])
    return []
