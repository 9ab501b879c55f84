"""HTTP/1.1 without sockets: bytes in, requests out. It knows neither the runtime nor the app."""
