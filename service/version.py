"""The version of this source tree; an image may carry another one in VERSION."""

__version__ = "0.1.0"
