from tests.app.windows import open_window, quiet_window, studio_window

__all__ = ["open_window", "quiet_window", "studio_window"]
